import math

import numpy as np
import pytest
import xarray as xr

from compare.measure import over_seeds
from compare.predict import first_jump
from compare.predict.first_jump import PowerTail, SphereLaws
from compare.study import toml_file
from compare.study.comparison import compare_with_theory
from theory import trajectory
from theory.laws import decay_rate
from theory.trajectory import RunSpec

QUIET = PowerTail(np.array([-9.0, 9.0]), np.array([-700.0, -700.0]), 0.0)


def power(coefficient, exponent, end=2.0):
    grid = np.linspace(-8, end, 200)
    return PowerTail(grid, math.log(coefficient) + exponent * grid, exponent)


@pytest.mark.parametrize("intrinsic_lr", [5e-4, 4e-3])
def test_the_edge_is_met_where_the_closed_form_says(intrinsic_lr):
    """S = c tau^-b with tau = (elr - elr0) / r: elr S = 2 on that curve, past the table's end."""
    rate, c, b = decay_rate(intrinsic_lr), 5.0, 0.4
    laws = SphereLaws(QUIET, power(c, -b), math.inf)
    step = first_jump.first_jump(laws, math.log(1e-4), intrinsic_lr)
    elr = 1e-4 * math.exp(rate * step)
    tau = (elr - 1e-4) / math.expm1(rate)
    assert elr * c * tau**-b == pytest.approx(2, rel=2 * rate)


def test_a_sphere_run_that_destabilised_sets_the_threshold():
    laws = SphereLaws(QUIET, power(1e-3, 0.0), 0.05)
    rate = decay_rate(1e-3)
    step = first_jump.first_jump(laws, math.log(0.002), 1e-3)
    assert step == pytest.approx(math.log(0.05 / 0.002) / rate, abs=1)


def test_gradients_slow_the_climb_by_the_norm_law():
    """At elr g = sqrt(expm1(r / 2)) half of the decay is lost: twice the steps."""
    rate = decay_rate(1e-3)
    elr = np.exp(np.linspace(-12, 5, 400))
    # tau(elr) at half the rate, so that elr g(tau) is constant along the path
    g = math.sqrt(math.expm1(rate / 2)) / elr / math.exp(rate / 2)
    tau = (elr - 0.002) / math.expm1(rate / 2)
    known = tau > 1e-6
    gradient = PowerTail(np.log(tau[known]), np.log(g[known]), -1.0)
    free = first_jump.first_jump(SphereLaws(QUIET, power(1e-3, 0), 0.05), math.log(0.002), 1e-3)
    held = first_jump.first_jump(SphereLaws(gradient, power(1e-3, 0), 0.05), math.log(0.002), 1e-3)
    assert held / free == pytest.approx(2, rel=0.02)


def test_what_never_destabilises_is_infinite():
    laws = SphereLaws(QUIET, power(1e-3, -1.0), math.inf)
    assert first_jump.first_jump(laws, math.log(1e-3), 0.05) == math.inf


def test_a_run_that_starts_unstable_has_no_first_jump_to_predict():
    laws = SphereLaws(QUIET, power(1e-3, 0.0), 0.05)
    assert first_jump.first_jump(laws, math.log(0.06), 1e-3) == 0
    assert "starts at an effective learning rate" in first_jump._reason(True, [0.0, 12.0])


def sphere_run(*, spike):
    """A sphere run with S = 8 tau^-1/2 whose gradient explodes at step 600, or does not."""
    steps = np.arange(1000)
    elr = 1e-3 * np.exp(0.005 * steps)
    tau = np.cumsum(elr) - elr[0] + 1e-30
    g = np.full(1000, 1e-3)
    if spike:
        g[600:640] = 20.0
    run = RunSpec(1e-3, 0.0, 0, 1000, variant="sphere")
    series = {
        "weight_norm": np.ones((1, 1000)),
        "effective_grad_norm": g[None],
        "train_loss": np.ones((1, 1000)),
    }
    made = trajectory.build(
        [run], series, source="network", model="mlp", data="digits", steps_per_epoch=11
    )
    made["effective_lr"] = (("run", "step"), elr[None])
    evals = np.arange(0, 1000, 50)
    made = made.assign_coords(eval_step=evals)
    made["spherical_sharpness"] = (("run", "eval_step"), 8 / np.sqrt(tau[evals])[None])
    return made, elr, tau


def test_laws_are_read_off_a_sphere_run():
    made, elr, tau = sphere_run(spike=False)
    laws = first_jump._laws(made, str(made["run"].values[0]))
    assert laws.threshold == math.inf
    assert laws.sharpness.exponent == pytest.approx(-0.5, abs=0.01)
    for k in (100, 900):
        assert laws.sharpness(math.log(tau[k])) == pytest.approx(8 / math.sqrt(tau[k]), rel=0.02)
    beyond = 50 * tau[-1]
    assert laws.sharpness(math.log(beyond)) == pytest.approx(8 / math.sqrt(beyond), rel=0.05)
    spiked = first_jump._laws(sphere_run(spike=True)[0], str(made["run"].values[0]))
    assert spiked.threshold == pytest.approx(elr[600], rel=0.01)


def test_too_few_sharpnesses_are_refused():
    made, _, _ = sphere_run(spike=False)
    made["spherical_sharpness"] = made["spherical_sharpness"].where(made["eval_step"] < 150)
    run = str(made["run"].values[0])
    predicted = first_jump.predict(made, {run: (run,)})
    assert np.isnan(predicted["sphere_first_jump"].values[0])
    assert "fewer than 5 sharpnesses" in str(predicted["reason_sphere_first_jump"].values[0])


STUDY = """
name = "x"
title = "x"
model = "mlp-16-16"
seeds = 1
eval_every = 20
[[settings]]
variant = "ball"
fixed_norm = true
initial_norm = 1.0
schedule = "rising"
sharpness_examples = 200
learning_rate = 2e-3
weight_decay = 0
steps = 400
[[settings]]
variant = "run"
sphere = "ball"
learning_rate = 0.05
weight_decay = 2e-1
steps = 400
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('sphere = "ball"', 'sphere = "bowl"', "sphere must be the variant of one other setting"),
        ("fixed_norm = true", "fixed_norm = false", "must name a setting with fixed_norm"),
        ("sharpness_examples = 200", "", "must name a setting with fixed_norm"),
        ('schedule = "rising"', "", "must name a setting with fixed_norm"),
        ('sphere = "ball"', 'sphere = "ball"\nbatch_size = 64', "must agree in model, data, batch"),
        ("weight_decay = 2e-1", "weight_decay = 0", "sphere is for settings with decay"),
    ],
)
def test_bad_spheres_are_refused(tmp_path, old, new, said):
    path = tmp_path / "x.toml"
    path.write_text(STUDY.replace(old, new))
    with pytest.raises(ValueError, match=said):
        toml_file.read(path)


@pytest.mark.slow
def test_networks_end_to_end(tmp_path):
    """A small network: the prediction is finite, positive and stands beside the measurement."""
    from empirical.training import train

    path = tmp_path / "x.toml"
    path.write_text(STUDY)
    study = toml_file.read(path)
    networks = train.train(
        [train.Job(*job) for job in study.jobs],
        train.Settings(eval_every=study.eval_every, device="cpu"),
    ).sel(run=[run.id for run in study.runs])
    _, comparison, _ = compare_with_theory(networks, study)
    settings = over_seeds.by_setting(comparison)
    predicted = settings["sphere_first_jump"].sel(setting=settings["variant"] == "run")
    assert 10 < float(predicted[0]) < 400
    assert isinstance(comparison, xr.Dataset)
    assert np.isnan(comparison["sphere_first_jump"].values[0])
    assert str(comparison["reason_sphere_first_jump"].values[0]) == "no sphere run speaks for it"
    elr = networks["effective_lr"].isel(run=0).values[:400]
    np.testing.assert_allclose(elr, 2e-3 * 1000 ** (np.arange(400) / 400), rtol=1e-5)
