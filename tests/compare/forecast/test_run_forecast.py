import json

import numpy as np
import pytest
import xarray as xr

from compare import report
from compare.calibration.laws.regularised import Laws
from compare.cli.main import main
from compare.forecast import run_forecast
from compare.forecast.forecast import Forecast
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun
from compare.predict import outlook
from compare.report.pages import forecast as page
from compare.study import store
from empirical.training.recipe import Recipe
from sawtooth import forecast

from ..hostile import same, with_text

KEYS = {
    "regime", "regime_probability", "period", "period_low", "period_high", "mean_period_low",
    "mean_period_high", "first_jump", "first_jump_low", "first_jump_high",
    "effective_lr_before_jump", "effective_lr_after_jump", "n_jumps_low", "n_jumps_high",
    "equilibrium_norm", "pilot_steps", "pilot_intrinsic_lr", "extrapolation",
}  # fmt: skip
ASKED = ["--model", "mlp-32-32", "--lr", "0.5", "--wd", "8e-3", "--steps", "6000"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A forecast from the command line: its folder, and what it printed."""
    out = tmp_path_factory.mktemp("forecast") / "out"
    assert main(["forecast", *ASKED, "--out", str(out), "--json", "--avoid"]) == 0
    tree = store.read(out / "study.nc")
    return out, tree, json.loads(tree["forecast"].attrs["forecast"])


def test_the_forecast_says_all_it_has_to(made):
    _, tree, said = made
    assert set(said) >= KEYS
    assert said["regime"] == "periodic"
    assert said["mean_period_low"] < said["period"] < said["mean_period_high"]
    assert said["period_low"] < said["mean_period_low"]
    assert said["first_jump_low"] < said["first_jump"] < said["first_jump_high"]
    assert said["effective_lr_after_jump"] < said["effective_lr_before_jump"]
    assert said["pilot_steps"] <= 600 == 0.1 * said["steps"]
    slowest = min(said["pilot_intrinsic_lr"])
    assert said["extrapolation"] == pytest.approx(slowest / 4e-3)
    assert said["avoid_weight_decay"] < 8e-3 < said["equilibrium_weight_decay"]
    trained = tree["empirical"]
    assert int(trained["n_steps"].sum()) == said["pilot_steps"]
    np.testing.assert_allclose(
        sorted(set(trained["intrinsic_lr"].values.tolist())), sorted(said["pilot_intrinsic_lr"])
    )


def test_the_fan_is_that_of_the_numbers(made):
    _, tree, said = made
    held = tree["forecast"].to_dataset()
    assert (held["effective_lr"].diff("quantile") >= 0).all()
    assert (held["weight_norm"].diff("quantile") >= 0).all()
    middle = held["weight_norm"].sel(quantile=0.5) ** 2 * held["effective_lr"].sel(quantile=0.5)
    np.testing.assert_allclose(middle, 0.5, rtol=1e-9)  # elr = eta / rho^2
    assert said["n_jumps_low"] <= float(held["jump_density"].sum()) <= said["n_jumps_high"]
    assert float(held["first_jump_density"].sum()) == pytest.approx(1, abs=0.02)


def test_the_page_says_it_in_a_sentence(made):
    page = (made[0] / "report.html").read_text(encoding="utf-8")
    assert "This run will destabilise near step" in page
    assert "Nobody has trained it yet" in page
    assert page.count("data:image/svg") >= 3


def test_texts_of_the_file_change_no_tag_of_the_page(made, monkeypatch):
    monkeypatch.setattr(
        page, "draw", lambda tree: {"fan": "<svg xmlns='http://www.w3.org/2000/svg'/>"}
    )
    same(lambda text: report.render(with_text(made[1], text)))


def test_the_report_can_be_written_again(made, tmp_path):
    assert main(["report", str(made[0] / "study.nc"), "--out", str(tmp_path / "again.html")]) == 0
    again = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert again == (made[0] / "report.html").read_text(encoding="utf-8")


def test_the_same_command_gives_the_same_forecast(made, tmp_path, capsys):
    assert main(["forecast", *ASKED, "--out", str(tmp_path / "b"), "--json", "--avoid"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == made[2]
    assert "steps together, " in printed.err
    assert "of the planned 6000" in printed.err


def test_a_folder_that_exists_is_kept(made, capsys):
    before = (made[0] / "study.nc").read_bytes()
    assert main(["forecast", *ASKED, "--out", str(made[0])]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (made[0] / "study.nc").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--steps", "200"], "pilot steps, and the shortest pilot"),
        (["--budget", "0"], "budget must be a positive"),
        (["--budget", "2"], "budget must be a share"),
        (["--wd", "0"], "weight_decay must be a positive"),
        (["--lr", "nan"], "learning_rate must be a positive"),
        (["--set", "schedule=cosine"], "constant learning rate"),
        (["--set", "modl=3"], "unknown key modl"),
        (["--set", "batch_size=64"], "--set batch_size has an option of its own: --batch-size"),
        (["--model", "nope"], "model must be"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(flags, said, tmp_path, capsys):
    out = tmp_path / "x"
    assert main(["forecast", *ASKED, *flags, "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not (out / "study.nc").exists()


def test_jumps_are_drawn_where_some_are_expected(made):
    tree = made[1]
    assert "jumps" in page.draw(tree)
    held = tree["forecast"].to_dataset()
    held["jump_density"] = 0 * held["jump_density"]
    assert "jumps" not in page.draw(xr.DataTree.from_dict({**tree.to_dict(), "/forecast": held}))


def small(image_shape, n_classes):
    """A user's own network."""
    from torch import nn

    n_pixels = int(np.prod(image_shape))
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(n_pixels, 24, bias=False),
        nn.BatchNorm1d(24, affine=False),
        nn.ReLU(),
        nn.Linear(24, n_classes),
    )


def test_a_name_is_made_of_a_function_at_the_top_of_a_module():
    assert run_forecast.importable_name(small).endswith(":small")
    for other in (lambda s, n: None, small.__call__):
        with pytest.raises(ValueError, match="at the top of a module"):
            run_forecast.importable_name(other)


@pytest.mark.slow
def test_a_users_own_module_is_forecast(tmp_path, monkeypatch):
    (tmp_path / "my_net.py").write_text(
        "import numpy as np\nfrom torch import nn\n\n\ndef small(image_shape, n_classes):\n"
        "    n = int(np.prod(image_shape))\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(n, 24, bias=False),"
        " nn.BatchNorm1d(24, affine=False), nn.ReLU(), nn.Linear(24, n_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_net

    found = forecast(my_net.small, learning_rate=0.5, weight_decay=1e-2, steps=6000)
    assert found["period"] is None or found["period_low"] < found["period_high"]
    assert found["pilot_steps"] <= 600


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"momentum": 0.9, "learning_rate": 0.05}, {"trained": "all"}])
def test_momentum_and_all_weights_are_forecast(changes):
    asked = {"learning_rate": 0.5, "weight_decay": 4e-3, "steps": 8000} | changes
    found = forecast("mlp-32-32", **asked)
    assert found["regime"] == "periodic"
    assert found["period_low"] > 20
    assert found["pilot_steps"] <= 800


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three pilots at one decay, trained."""
    planned = PlannedRun(0.5, 8e-3, 6000, recipe=Recipe(model="mlp-32-32"))
    out = tmp_path_factory.mktemp("three") / "out"
    run_forecast.run(planned, [Pilot(planned.near(0.01), 3, 400)], out)
    return out, store.read(out / "study.nc")


@pytest.mark.parametrize("ended", [0, 1, 3])
def test_a_pilot_that_diverges_is_used_for_what_it_says(three, ended, tmp_path, monkeypatch):
    """One more that lasts is counted: one of three is a quarter, all are three quarters."""
    networks = three[1]["empirical"].to_dataset().copy(deep=True)
    status = networks["status"].values.copy()
    status[:ended] = "diverged"
    networks["status"] = ("run", status)
    said = forecast_from(networks, three, tmp_path, monkeypatch)
    if ended == 3:
        assert said["regime"] == "divergence"
        assert said["period"] is None
        assert said["regime_probability"] == pytest.approx(0.75)
    else:
        assert said["regime"] == "periodic"
        assert said["regime_probability"] == pytest.approx(1 - ended / 4, abs=0.03)


@pytest.mark.slow
def test_a_network_too_small_to_jump_is_seen_at_rest(tmp_path):
    """Its pilots come to rest without a jump: no period, and no elr of jumps that nobody saw."""
    planned = PlannedRun(0.5, 0.3, 2000, recipe=Recipe(model="mlp-4"))
    made = run_forecast.run(planned, [Pilot(planned.decay, 2, 200)], tmp_path / "out")
    said = run_forecast.values(made, avoid=True)
    assert said["regime"] == "equilibrium"
    assert said["regime_probability"] > 0.9
    assert said["effective_lr_before_jump"] is None
    assert said["period"] is None
    assert (tmp_path / "out" / "report.html").read_text().count("This run will settle") == 1


def test_pilots_that_never_jump_do_not_end_the_forecast(three, tmp_path, monkeypatch):
    """Runs cut before their first jump: no period was seen, and the first jump is later."""
    networks = three[1]["empirical"].to_dataset().copy(deep=True)
    networks["n_steps"] = ("run", np.full(networks.sizes["run"], 60))
    rising = np.exp(np.linspace(0, -0.6, 60))  # decay alone: the norm of a run on its way
    norm = networks["weight_norm"].values.copy()
    norm[:, :60] = norm[:, :1] * rising
    networks["weight_norm"] = (("run", "step"), norm)
    said = forecast_from(networks, three, tmp_path, monkeypatch)
    assert said["regime"] in ("periodic", "convergence")
    planned = json.loads(three[1]["forecast"].attrs["planned"])
    recipe = Recipe(model=planned["recipe"]["model"])
    before = Laws(run_forecast.prior_of(PlannedRun(0.5, 8e-3, 6000, recipe=recipe)))
    start = float(np.log(0.5 / float(networks["weight_norm"].isel(step=0).mean()) ** 2))
    prior = outlook.summary(outlook.networks(before, 4e-3, start), 0.5, 6000)
    for name in ("period", "mean_period_low", "mean_period_high"):  # nothing was seen of it
        assert said[name] == pytest.approx(prior[name], rel=0.1)
    assert said["first_jump"] > prior["first_jump"]


def forecast_from(networks, made, tmp_path, monkeypatch):
    """The forecast of the fixture from other recordings."""
    from compare.study import train_networks

    monkeypatch.setattr(train_networks, "trained", lambda *_, **__: (networks, "{}"))
    monkeypatch.setattr(run_forecast, "compare_with_theory", lambda *_: [xr.Dataset()] * 3)
    monkeypatch.setattr(run_forecast.store, "write", lambda *_, **__: None)
    monkeypatch.setattr(run_forecast.store, "read", lambda *_: None)
    monkeypatch.setattr(run_forecast.report, "write", lambda *_: None)
    said = json.loads(made[1]["forecast"].attrs["planned"])
    recipe = Recipe(**said.pop("recipe"))
    planned = PlannedRun(**said, recipe=recipe)
    plan = run_forecast.choose_pilots(planned)
    result = run_forecast.run(planned, plan, tmp_path / "out")
    assert isinstance(result, Forecast)
    return run_forecast.values(result)


def test_labels_that_are_noise_are_other_data():
    """Networks that cannot fit it jump from other rates: neither level nor loss is known."""
    clean, noisy = (
        Laws(run_forecast.prior_of(PlannedRun(0.5, 2e-3, 6000, recipe=one)))
        for one in (Recipe(model="mlp-33-33", label_noise=share) for share in (0.0, 0.2))
    )
    for name in ("onset", "loss_floor"):
        assert noisy.of(name, 1e-3)[1] > 2.5 > 2 * clean.of(name, 1e-3)[1]
