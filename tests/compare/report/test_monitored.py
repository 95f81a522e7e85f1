"""Bare trajectories: what is predicted for their optimizer, and their report."""

import base64
import html as entities
import re

import numpy as np
import pytest
import xarray as xr

from compare import report
from compare.cli.main import main
from compare.measure.observables import measure
from compare.predict import optimizer_equilibrium
from compare.predict.next_jump import outlook
from compare.report.pages.monitored import page as monitored
from compare.report.tables import cells
from compare.study import store
from theory import laws, trajectory
from theory.laws import equilibrium
from theory.trajectory import RunSpec, read_runs
from theory.vocabulary import VARIABLES

from ..accessible import problems

LR, WD = 0.5, 1e-2


def recorded_run(*, rule="sgd", momentum=0.0, variant="", wd=WD, rates=None, n=400, **more):
    """One run that obeys the law of plain SGD, with two layers of equal norm."""
    rates = np.full(n, LR) if rates is None else rates
    g = np.random.default_rng(0).lognormal(1, 0.3, n)
    rho = [3.0]
    for t in range(n - 1):
        rho.append(laws.next_weight_norm(rho[-1], g[t], rates[t], wd))
    rho = np.array(rho)
    series = {
        "weight_norm": rho,
        "effective_grad_norm": g,
        "angular_update": laws.angular_update(rho, g, rates, wd),
        "effective_lr": rates / rho**2,
        "train_loss": np.linspace(2, 1, n),
    }
    half = np.stack([rho, rho], axis=1)[::100] / 2**0.5
    found = trajectory.build(
        [RunSpec(LR, wd, 0, n, momentum, variant)],
        {name: values[None] for name, values in series.items()},
        source="network",
        model=more.pop("model", "Net"),
        data=more.pop("data", "noise"),
        steps_per_epoch=1,
        evaluations={"layer_weight_norm": half[None], "layer_effective_grad_norm": half[None]},
        eval_every=100,
        layers=["first", "last"],
        update_rule=rule,
        **more,
    ).drop_vars("epoch")
    found["n_weights"] = ("run", [4000])
    found["beta1"], found["beta2"] = ("run", [0.9]), ("run", [0.98])
    found["effective_grad_sum"] = (("run", "eval_step"), [[900.0, 500.0, 30.0, 40.0]])
    found["invariance"] = ((), "9 of 9 trained weights are scale-invariant\ntable")
    return found


def predicted(found):
    return optimizer_equilibrium.predict_equilibrium(found, str(found["run"].values[0]))


def test_each_optimizer_has_its_equilibrium():
    late = recorded_run()["effective_grad_norm"].values[0, 200:]
    p = float(np.mean(late**2))
    assert predicted(recorded_run()) == equilibrium.sgd(LR, WD, p)
    heavy = equilibrium.sgd_with_momentum(LR, WD, p, momentum=0.9)
    assert predicted(recorded_run(momentum=0.9)) == heavy
    betas = {"beta1": 0.9, "beta2": 0.98}
    assert predicted(recorded_run(rule="adamw")) == equilibrium.adamw(LR, WD, 4000, **betas)
    assert predicted(recorded_run(rule="lion")) == equilibrium.lion(LR, WD, 4000, **betas)
    small = recorded_run(rule="adam")
    small["learning_rate"][:] = 1e-4
    small["effective_lr"] = 1e-4 / small["weight_norm"] ** 2
    assert predicted(small) == equilibrium.adam_l2(1e-4, WD, 35.0, 4000, **betas)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"wd": 0.0}, "without weight decay nothing balances the growth that steps bring"),
        ({"rates": np.linspace(LR, 0.1, 400)}, "the learning rate changes"),
        ({"variant": "nesterov", "momentum": 0.9}, "no closed form is known for sgd with nesterov"),
        ({"rule": "rmsprop"}, "no closed form is known for rmsprop"),
        ({"rule": "sgd with changing decay"}, "for sgd with changing decay"),
        ({"reasons": ["weight_norm was not finite"]}, "ended early: weight_norm was not finite"),
    ],
)
def test_no_equilibrium_without_a_reason(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        predicted(recorded_run(**changes))


def test_where_the_rate_changes_a_norm_does_not_say_where_the_effective_rate_goes():
    said = said_first(recorded_run(rates=np.linspace(LR, 0.1, 400)))
    assert re.search(r"still (falls|grows): at a constant rate, expect", said)
    assert "so expect a" not in said


def test_sparse_records_are_measured_in_steps(networks):
    dense = networks.isel(run=slice(12, 16))
    sparse = dense.isel(step=slice(None, None, 5))
    all_, fifth = measure(read_runs(dense)), monitored.observe(sparse)
    for name, tolerance in (
        ("period", 5e-3),
        ("first_jump", 0.05),
        ("effective_lr_before_jump", 0.05),
        ("decay_rate_ratio", 0.02),
        ("equilibrium_norm", 0.01),
        ("mean_squared_g", 0.1),
    ):
        assert fifth[name].values == pytest.approx(all_[name].values, rel=tolerance), name
    assert np.isnan(fifth["log_balance_ratio"].values).all()
    assert np.isfinite(all_["log_balance_ratio"].values).all()
    assert "5 steps apart" in str(fifth["reason_norm_law_residual"].values[0])


def saved(found, tmp_path):
    path = tmp_path / "mine.nc"
    found.to_netcdf(path, engine="h5netcdf")
    return path


def text_of(html):
    html = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


@pytest.mark.slow
def test_a_saved_file_gets_a_report(tmp_path):
    path = saved(recorded_run(), tmp_path)
    assert main(["report", str(path), "--figures", str(tmp_path / "figures")]) == 0
    html = (tmp_path / "mine.html").read_text()
    assert html.count("data:image/svg+xml;base64,") == html.count("<img") == 2
    assert problems(html) == []
    for image in re.findall(r"base64,([^\"]*)", html):
        assert b"</svg>" in base64.b64decode(image)
    assert len(list((tmp_path / "figures").iterdir())) == 2
    assert "http" not in html
    text = text_of(html)
    assert "9 of 9 trained weights are scale-invariant" in text
    law = VARIABLES["norm_law_residual"]
    row = f"{law.label} 0 0 0 … 0 ✓ holds {law.reason}"
    assert row in re.sub(r"[\d.]+ × 10⁻\S+", "0", text)
    late = recorded_run()["weight_norm"].values[0, 200:]
    expected = predicted(recorded_run()).norm
    row = f"weight norm ρ {cells.number(np.mean(late**4) ** 0.25)} {cells.number(expected)} "
    assert row in text
    assert "0 cycles, 3 needed" in text


@pytest.mark.slow
def test_a_broken_law_is_shown(tmp_path):
    found = recorded_run()
    found["weight_norm"][0, 100:] *= 1.001
    text = text_of(report.render(store.read(saved(found, tmp_path), bare=True)))
    assert re.search(r"residual of the norm law \S+ 0 0 … 3.010⁻⁵ ✗ fails", text.replace(" × ", ""))


@pytest.mark.slow
def test_text_from_the_file_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    found = recorded_run(model=evil, data=evil, reasons=[evil], rule=evil, variant=evil)
    found["invariance"] = ((), evil)
    found.attrs = {"notes": evil, "optimizer": evil}
    html = report.render(store.read(saved(found, tmp_path), bare=True))
    assert evil not in html
    assert html.count("&lt;script&gt;") >= 7


@pytest.mark.slow
def test_what_was_refused_says_why(tmp_path):
    found = recorded_run(rule="rmsprop", reasons=["stopped at noon"], n_steps=[50])
    found["train_loss"][:] = np.nan
    text = text_of(report.render(store.read(saved(found, tmp_path), bare=True)))
    assert "Ended early: stopped at noon" in text
    assert "No equilibrium is predicted: the run ended early: stopped at noon." in text
    assert "Not held to the exact laws: no exact law is known for the update rule rmsprop." in text
    assert " regime" not in text  # decay of this rule is not eta lam


@pytest.mark.slow
@pytest.mark.parametrize("n_steps", [0, 1, 2, 3])
def test_the_shortest_runs_make_a_report(tmp_path, n_steps):
    found = recorded_run(n_steps=[n_steps]).isel(step=slice(0, max(n_steps, 1)))
    assert "fewer than 3" in report.render(store.read(saved(found, tmp_path), bare=True)) or (
        n_steps == 3
    )


def test_files_that_are_neither_are_refused(tmp_path, capsys):
    path = saved(recorded_run().drop_vars("effective_grad_norm"), tmp_path)
    assert main(["report", str(path)]) == 2
    assert (
        "mine.nc holds no whole trajectories: it lacks effective_grad_norm"
        in capsys.readouterr().err
    )
    path = saved(recorded_run(), tmp_path)
    assert main(["predict", "--from", str(path), "--lr", "1", "--wd", "0.1"]) == 2
    assert "is not a study file" in capsys.readouterr().err
    xr.Dataset({"a": 1}).to_netcdf(path, engine="h5netcdf")
    assert main(["report", str(path)]) == 2
    assert "is not a study file" in capsys.readouterr().err


def test_a_run_without_angles_is_reported_without_them(tmp_path):
    """As a simulated toy is, which records none."""
    text = report.render(xr.DataTree(recorded_run().drop_vars("angular_update")))
    assert "residual of the norm law" in text
    assert "residual of the angle law" not in text


def test_a_toy_is_simulated_and_trained_on_nothing():
    toy = recorded_run().drop_vars("angular_update")
    toy["weight_norm"].attrs["source"] = "theory"
    texts = [text_of(report.render(xr.DataTree(one))) for one in (toy, recorded_run())]
    assert "Net, simulated" in texts[0] and "Trained on" not in texts[0]
    assert "agreement of the jump criterion" not in texts[0]
    assert "Net, monitored" in texts[1] and "Trained on noise." in texts[1]
    assert "agreement of the jump criterion" in texts[1]


def test_notes_give_their_own_reasons_for_what_is_not_followed():
    notes = "3.weight: not in the optimizer; 2.bias: weight_decay 0 instead of 0.01"
    text = text_of(report.render(xr.DataTree(recorded_run().assign_attrs(notes=notes))))
    assert f"Scale-invariant, but not followed: {notes}." in text
    assert "another learning rate or decay" not in text


def said_first(found):
    """The headline of the page of a recorded run, without its markup."""
    text = re.search(r'<h2 class="claim"[^>]*>(.*?)</h2>', report.render(xr.DataTree(found)), re.S)[
        1
    ]
    return entities.unescape(re.sub("<[^>]+>", "", text))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"wd": 0.1}, r"The weight norm has settled near the equilibrium of this optimizer \("),
        (
            {"wd": 1e-4},
            r"has not settled: .* in about .* more steps",
        ),  # not by being near by chance
        ({"wd": 1e-6}, r"has not settled: the effective learning rate still (falls|grows)"),
        ({"wd": 0.0}, "Without weight decay the norm can only grow"),
        ({"rule": "rmsprop"}, "No equilibrium can be predicted for this run: no closed form is"),
        (
            {"reasons": ["weight_norm was not finite"]},
            "ended early: weight_norm was not finite. Look",
        ),
    ],
)
def test_the_headline_says_what_to_expect(changes, sentence):
    assert re.search(sentence, said_first(recorded_run(**changes)))


def without_decay(rho, *, momentum=0.0, rule="sgd"):
    """A run whose optimizer has no decay of its own, with a norm that something else moves."""
    found = recorded_run(wd=0.0, n=len(rho), momentum=momentum, rule=rule)
    found["weight_norm"] = (("run", "step"), rho[None])
    found["effective_lr"] = LR / found["weight_norm"] ** 2
    if momentum:
        found["effective_update_norm"] = found["effective_grad_norm"]
        found["radial_update"] = 0 * found["effective_grad_norm"]
    return found


@pytest.mark.slow
def test_without_decay_the_headline_says_no_more_than_what_the_norm_did():
    up = np.linspace(3, 4, 400)
    assert "the norm can only grow" in said_first(without_decay(up))
    for changes in ({"momentum": 0.9}, {"rule": "adam"}):
        said = said_first(without_decay(up, **changes))
        assert "pulls the norm back. The weight norm still grows, so expect a falling" in said
        assert "can only" not in said and "no periods" not in said
    humped = np.concatenate([np.linspace(3, 4, 200), np.linspace(4, 3.6, 200)])
    for changes in ({}, {"momentum": 0.9}, {"rule": "adam"}):
        said = said_first(without_decay(humped, **changes))
        assert "is 0, yet the weight norm has fallen by 10.0 % from its highest" in said
        assert "grow" not in said and "no periods" not in said
    # no weight decay, no phase of decay: a penalty in the loss makes these jumps
    waves = 3 + np.abs(np.sin(np.arange(400) / 20))
    for rule in ("sgd", "adam"):
        found = without_decay(waves, rule=rule)
        assert float(monitored.observe(found)["n_jumps"][0]) > 3
        assert monitored.observe(found)["reason_decay_rate_ratio"].item() == "no weight decay"
        said = said_first(found)
        assert "yet the weight norm has fallen" in said and "weight decay raises" not in said


def sawtooth_until(networks, step, **changes):
    """One run of a kick model, as recorded until a step."""
    one = networks.isel(run=[12], step=slice(step)).assign(n_steps=("run", [step]))
    return one.assign({name: ("run", [value]) for name, value in changes.items()})


@pytest.mark.slow
def test_the_headline_of_a_sawtooth_is_the_outlook_on_the_next_jump(networks):
    found = sawtooth_until(networks, 3000)
    ahead = outlook(found)
    assert said_first(found) == ahead.sentence()
    assert ahead.avoiding_weight_decay() is not None
    assert f"a weight decay of {ahead.avoiding_weight_decay():.2g} or" in ahead.sentence()
    html = report.render(xr.DataTree(found))
    within = f"probability of a jump within the next {ahead.n_steps:,} steps"
    assert f"{ahead.probability():.2f} {within}" in text_of(html)
    assert "Probability that the next jump has begun against steps" in html
    assert f"ahead-{found['run'].values[0]}" in monitored.draw(found)
    assert problems(html) == []


@pytest.mark.slow
def test_where_the_next_jump_is_not_told_the_headline_says_how_often_and_why(networks):
    onsets = read_runs(networks.isel(run=[12]))[str(networks["run"].values[12])].jumps.onsets
    young = sawtooth_until(networks, (onsets[0] + onsets[1]) // 2)
    said = said_first(young)
    assert "Training destabilises 1 time so far" in said
    assert "When it does so next is not said: no period is complete so far" in said
    assert "expected" not in said
    assert not [name for name in monitored.draw(young) if name.startswith("ahead")]

    falling = sawtooth_until(networks, 3000)
    rates = np.geomspace(LR, LR / 2, 3000)
    falling["step_learning_rate"] = (("run", "step"), rates[None])
    said = said_first(falling)
    assert said.startswith("The weight norm jumps about every")
    assert "whether weight decay raises the effective one until it does, or the schedule" in said
    assert "not said: the learning rate changes" in said

    early = sawtooth_until(networks, 3000, status="stopped", reason="the rates disagree")
    assert said_first(early).startswith("This run ended early: the rates disagree")
    assert not [name for name in monitored.draw(early) if name.startswith("ahead")]


@pytest.mark.slow
def test_a_sawtooth_that_settles_is_no_longer_expected_to_jump(networks):
    """Its norm rests where it is after the last landing but one."""
    settled = sawtooth_until(networks, 9000)
    onsets = read_runs(settled)[str(settled["run"].values[0])].jumps.onsets
    rests = int(onsets[6] + 100)
    norm = settled["weight_norm"].values.copy()
    norm[0, rests:] = norm[0, rests]
    settled["weight_norm"] = (("run", "step"), norm)
    settled["effective_lr"] = settled["learning_rate"] / settled["weight_norm"] ** 2
    said = said_first(settled)
    assert "training no longer destabilises as it did" in said
    assert "The next jump is expected" not in said
