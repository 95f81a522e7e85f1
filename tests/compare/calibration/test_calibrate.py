import numpy as np
import pytest

from compare.calibration import simple_laws
from compare.calibration.calibrate import calibrate, observe
from compare.calibration.laws import priors
from compare.calibration.laws.evidence import kick_of
from compare.measure import over_seeds
from compare.predict.errors import median_absolute_error
from compare.study.comparison import compare_with_theory
from theory.laws import decay_rate
from theory.trajectory import read_runs

from ...kick_model import TRUE_MODEL
from ..conftest import asked, networks_from, roles_of


def calibration_runs(roles):
    return [run for run, role in roles.items() if role == "calibration"]


def test_recovers_the_model_that_made_the_data(networks, roles):
    sample = observe(read_runs(networks), calibration_runs(roles))
    found = calibrate(sample, priors.prior_for("mlp")).model
    for intrinsic_lr in (1e-3, 4e-3):
        recovered = found.kick(intrinsic_lr) + decay_rate(intrinsic_lr) * found.recovery
        assert recovered == pytest.approx(TRUE_MODEL.kick(intrinsic_lr), rel=0.06)
        assert found.onset(intrinsic_lr) == pytest.approx(TRUE_MODEL.onset(intrinsic_lr), abs=0.06)
        drop = TRUE_MODEL.onset(intrinsic_lr) - TRUE_MODEL.landing(intrinsic_lr)
        found_drop = found.onset(intrinsic_lr) - found.landing(intrinsic_lr)
        assert found_drop == pytest.approx(drop, rel=0.1)
        assert found.variation(intrinsic_lr) == pytest.approx(0.3, rel=0.15)
        growth = TRUE_MODEL.growth(intrinsic_lr)
        assert found.growth(intrinsic_lr) == pytest.approx(growth, abs=0.3)
    assert found.sensitivity == pytest.approx(TRUE_MODEL.sensitivity, rel=0.1)
    assert found.kick_scatter == pytest.approx(TRUE_MODEL.kick_scatter, rel=0.15)
    assert found.initial_norm == pytest.approx(TRUE_MODEL.initial_norm, rel=1e-12)
    assert found.loss_exponent == pytest.approx(TRUE_MODEL.loss_exponent, rel=1e-9)
    assert found.loss_at_unit_gradient == pytest.approx(0.02, rel=1e-9)


def test_one_run_a_setting_tells_of_the_first_jump_what_it_can():
    alone = networks_from(TRUE_MODEL, [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2], seeds=1)
    sample = observe(read_runs(alone), [str(run) for run in alone["run"].values])
    found = calibrate(sample, priors.prior_for("mlp"))
    reach, spread = found.laws.of("reach", 2e-3)
    assert reach == pytest.approx(TRUE_MODEL.first_reach(2e-3), abs=0.5)
    assert 0.1 < spread < 0.4
    assert kick_of(found.laws, 2e-3) == pytest.approx(TRUE_MODEL.kick(2e-3), rel=0.15)


@pytest.mark.slow
def test_held_out_predictions_beat_the_baseline(networks, roles):
    _, comparison, _ = compare_with_theory(networks, asked(roles))
    settings = over_seeds.by_setting(comparison)
    error = median_absolute_error(settings, "period")
    baseline = median_absolute_error(settings, "period", source="baseline")
    assert error < 0.04
    assert error < baseline
    assert settings["role"].values.tolist() == [
        "calibration",
        "held_out",
        "held_out",
        "calibration",
    ]


@pytest.mark.slow
def test_no_held_out_run_leaks_into_calibration(networks, roles):
    """Replacing every held-out trajectory by nonsense changes no prediction."""
    poisoned = networks.copy(deep=True)
    held_out = [run for run, role in roles.items() if role == "held_out"]
    index = poisoned["run"].isin(held_out)
    for name in ("weight_norm", "effective_grad_norm", "train_loss", "effective_lr"):
        poisoned[name] = poisoned[name].where(~index, poisoned[name] * 3.7 + 0.1)
    _, clean, _ = compare_with_theory(networks, asked(roles))
    _, other, _ = compare_with_theory(poisoned, asked(roles))
    assert clean.attrs["calibration"] == other.attrs["calibration"]
    for name in clean.data_vars:
        if str(name).startswith(("predicted_", "baseline_")) and name != (
            "predicted_equilibrium_norm"  # level 1: from each run's own gradients
        ):
            np.testing.assert_array_equal(clean[name], other[name])


@pytest.mark.slow
def test_planted_leak_is_visible(networks, roles):
    """The test above can fail: one held-out setting among the calibration runs shifts them."""
    leaked = {**roles, **dict.fromkeys(list(roles)[12:24], "calibration")}
    _, clean, _ = compare_with_theory(networks, asked(roles))
    _, other, _ = compare_with_theory(networks, asked(leaked))
    assert clean.attrs["calibration"] != other.attrs["calibration"]
    assert float(abs(clean["predicted_period"] - other["predicted_period"]).max()) > 0


@pytest.mark.slow
def test_shuffled_settings_destroy_the_prediction(networks, roles):
    shuffled = networks.copy(deep=True)
    for name in ("weight_decay", "intrinsic_lr"):
        shuffled[name] = ("run", networks[name].values[::-1].copy())
    _, comparison, _ = compare_with_theory(shuffled, asked(roles_of(shuffled, [1e-3, 8e-3])))
    settings = over_seeds.by_setting(comparison)
    errors = abs(settings["predicted_period"] / settings["period"] - 1)
    assert float(errors[1:3].max()) > 0.2  # 0.04 in order


def test_one_setting_is_enough_for_the_laws_and_too_few_for_a_power(networks, roles):
    runs = calibration_runs(roles)[:12]
    sample = observe(read_runs(networks), runs)
    found = calibrate(sample, priors.prior_for("mlp"))
    assert found.power_law is None
    assert found.process is None
    assert found.baseline.slope == 0
    mean, error = found.baseline.period(1e-3)
    assert mean == pytest.approx(TRUE_MODEL.kick(1e-3) / decay_rate(1e-3), rel=0.05)
    assert 0.005 < error / mean < 0.03  # 12 runs of 50 periods
    assert kick_of(found.laws, 1e-3) == pytest.approx(TRUE_MODEL.kick(1e-3), rel=0.05)


def test_runs_without_a_period_are_refused_and_said(roles):
    short = networks_from(TRUE_MODEL, [1e-3, 8e-3], seeds=1, n_cycles=1)
    theory, comparison, _ = compare_with_theory(short, asked(roles_of(short, [1e-3, 8e-3])))
    assert (
        "no setting to calibrate on has a complete period" in comparison.attrs["reason_prediction"]
    )
    assert "predicted_period" not in comparison
    assert theory.sizes["run"] == 2


def test_no_calibration_run_is_refused(networks):
    _, comparison, _ = compare_with_theory(networks, asked(roles_of(networks, [])))
    assert "no run has the role calibration" in comparison.attrs["reason_prediction"]


def test_simple_laws_find_what_made_the_data(networks, roles):
    runs = read_runs(networks)
    settings = observe(runs, list(runs)).settings
    true = [TRUE_MODEL.kick(cycles.intrinsic_lr) for cycles in settings]
    x = np.log([cycles.intrinsic_lr for cycles in settings])
    slope = np.polyfit(x, np.log(true), 1)[0]
    power = simple_laws.power_law(settings)
    assert power.slope == pytest.approx(slope, abs=3 * power.slope_error)
    assert power.period(2e-3)[0] == pytest.approx(
        TRUE_MODEL.kick(2e-3) / decay_rate(2e-3), rel=0.05
    )
    near, far = (power.period(at)[1] / power.period(at)[0] for at in (2e-3, 2e-5))
    assert far > 2 * near
    low, high = power.single(2e-3)
    inside = [(low < one) & (one < high) for one in settings[1].all("lengths")]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)
