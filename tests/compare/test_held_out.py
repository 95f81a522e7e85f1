import json

import numpy as np
import pytest

from compare import align, calibration_table, held_out, metrics
from compare.calibrate import (
    calibrate,
    model_from_json,
    observe,
    process_from_json,
    resample,
)
from compare.held_out import Split
from compare.kick_fit import fit
from compare.observed_cycles import RunCycles, SettingCycles
from theory import reduced

from ..kick_model import LR, TRUE_MODEL
from .conftest import networks_from

HELD_OUT = {"leave_one_out": True}


@pytest.fixture(scope="module")
def many():
    return networks_from(TRUE_MODEL, [5e-4, 1e-3, 2e-3, 4e-3, 8e-3], seeds=6, n_cycles=30)


@pytest.fixture(scope="module")
def compared(many):
    return align.compare(many, all_held_out(many), leave_one_out=True)


def all_held_out(networks):
    return {str(run): "held_out" for run in networks["run"].values}


def poisoned(networks, intrinsic_lr):
    """The same with nonsense in the trajectories of one setting."""
    other = networks.copy(deep=True)
    chosen = np.isclose(other["intrinsic_lr"], intrinsic_lr)
    for name in ("weight_norm", "effective_grad_norm", "train_loss", "effective_lr"):
        steps = np.sin(0.05 * other["step"].values) ** 2 + 0.5
        other[name] = other[name].copy(
            data=other[name].values * np.where(chosen[:, None], steps, 1)
        )
    return other


def test_each_setting_is_predicted_by_all_others(many):
    plan = held_out.splits(many, all_held_out(many), leave_one_out=True)
    assert len(plan) == 5
    for split in plan:
        assert len(split.predicted) == 6
        assert {*split.calibration, *split.predicted} == {str(run) for run in many["run"].values}
        values = many["intrinsic_lr"].sel(run=list(split.predicted)).values
        assert len(np.unique(values)) == 1
        assert values[0] not in many["intrinsic_lr"].sel(run=list(split.calibration)).values


def test_symmetric_settings_are_one_setting(many):
    """(c^2 eta, lam / c^2) has the same path of directions (law 9), so it is left out too."""
    twin = many.copy(deep=True)
    rates = twin["learning_rate"].values.copy()
    first = np.isclose(twin["intrinsic_lr"], 1e-3) & (twin["seed"] == 0)
    rates[first.values] *= 4
    twin["learning_rate"] = ("run", rates)
    twin["weight_decay"] = ("run", twin["intrinsic_lr"].values / rates * (1 + 1e-12))
    twin["intrinsic_lr"] = ("run", rates * twin["weight_decay"].values)
    plan = held_out.splits(twin, all_held_out(twin), leave_one_out=True)
    assert sorted(len(split.predicted) for split in plan) == [6] * 5


def test_a_planted_leak_is_refused(many):
    runs = [str(run) for run in many["run"].values]
    with pytest.raises(ValueError, match=r"is held out, but calibration runs have its eta\*lam"):
        held_out.refuse_leaks(many, Split(tuple(runs[1:]), (runs[0],)))
    # the same by the roles of a study: seeds of one setting on both sides of the wall
    roles = all_held_out(many) | dict.fromkeys([*runs[:5], *runs[6:12]], "calibration")
    _, comparison, _ = align.compare(many, roles)
    assert "it would predict itself" in comparison.attrs["reason_prediction"]
    assert "predicted_period" not in comparison


def test_no_run_has_a_part_in_its_own_prediction(many, compared):
    """Nonsense in one setting leaves its prediction as it was, and moves all others."""
    other = poisoned(many, 2e-3)
    _, after, _ = align.compare(other, all_held_out(other), leave_one_out=True)
    own = np.isclose(many["intrinsic_lr"], 2e-3)
    for name in ("predicted_period", "process_period", "baseline_period", "predicted_regime"):
        np.testing.assert_array_equal(compared[1][name].values[own], after[name].values[own])
    moved = abs(after["predicted_period"] / compared[1]["predicted_period"] - 1).values
    assert moved[~own].min() > 0.01


def test_held_out_periods_are_met(compared):
    settings = metrics.by_setting(compared[1])
    errors = metrics.absolute_errors(settings, "period")
    assert len(errors) == 5
    assert np.median(errors) < 0.06  # a mean of 180 periods is known to 2 %
    assert (compared[1]["predicted_regime"] == compared[1]["regime"]).mean() > 0.95
    assert "24 runs at ηλ = 0.001, 0.002, 0.004, 0.008" in compared[1]["calibrated_on"].values


def test_shuffled_settings_destroy_the_prediction(many):
    shuffled = many.copy(deep=True)
    order = np.array([3, 0, 4, 1, 2])
    values = np.unique(many["intrinsic_lr"].values)
    new = values[order][np.searchsorted(values, many["intrinsic_lr"].values)]
    shuffled["intrinsic_lr"] = ("run", new)
    shuffled["weight_decay"] = ("run", new / LR)
    _, comparison, _ = align.compare(shuffled, all_held_out(shuffled), leave_one_out=True)
    if "predicted_period" in comparison:
        errors = abs(comparison["predicted_period"] / comparison["period"] - 1)
        assert float(np.nanmedian(errors)) > 0.3
    else:
        assert comparison.attrs["reason_prediction"]


def test_recovery_is_told_from_the_climb():
    """Periods made as K(eta lam) / r + 5 steps come out as that."""
    settings = [synthetic(x, 5.0) for x in (3e-4, 1e-3, 4e-3, 1e-2, 3e-2)]
    model = fit(settings, 6.5, (0.02, 1.1))
    assert model.recovery == pytest.approx(5.0, rel=1e-6)
    assert model.kick.slope == pytest.approx(-0.06, rel=1e-6)
    assert model.kick.at_one == pytest.approx(0.85, rel=1e-6)
    assert reduced.mean_cycle(model, 2e-3).period == pytest.approx(
        TRUE_MODEL.kick(2e-3) / reduced.decay_rate(2e-3) + 5, rel=1e-6
    )


def synthetic(intrinsic_lr, recovery):
    rate = reduced.decay_rate(intrinsic_lr)
    mean = TRUE_MODEL.kick(intrinsic_lr) / rate + recovery
    swing = np.tile([0.8, 1.2], 10)
    ones = np.ones(20)
    run = RunCycles(
        lengths=mean * swing,
        onsets=-2.7 + 0.1 * (swing - 1),
        landings=-3.7 * ones,
        kicks=rate * mean * swing,
        next_onsets=-2.7 - 0.1 * (swing - 1),
        first_step=mean,
        first_onset=-3.0,
        first_kick=0.5,
        growth=-4.0,
        regime="periodic",
    )
    return SettingCycles(intrinsic_lr, (run, run))


def test_uncertainties_come_from_the_seeds(many, compared):
    table = compared[2]
    runs = [str(run) for run in many["run"].values]
    sample = observe(many, runs)
    found = calibrate(sample)
    models = resample(sample)
    slopes = np.array([model.kick.slope for model in models])
    held = table.sel(parameter="kick.slope")
    assert float(held["value"]) == found.model.kick.slope
    assert float(held["standard_error"]) == pytest.approx(slopes.std(), rel=1e-9)
    assert abs(found.model.kick.slope - TRUE_MODEL.kick.slope) < 4 * slopes.std()
    error = calibration_table.period_error(table, found.model, 2e-3)
    periods = [reduced.mean_cycle(model, 2e-3).period for model in models]
    assert error == pytest.approx(np.std(periods), rel=1e-9)
    measured = table["kick"].sel(setting=2)
    cycles = many.isel(run=np.isclose(many["intrinsic_lr"], 2e-3))
    assert float(table["intrinsic_lr"].sel(setting=2)) == float(cycles["intrinsic_lr"][0])
    assert float(measured) == pytest.approx(TRUE_MODEL.kick(2e-3), rel=0.1)


def test_a_calibration_survives_its_file(compared):
    text = compared[1].attrs["calibration"]
    model, process = model_from_json(text), process_from_json(text)
    assert json.loads(text)["model"]["kick"]["slope"] == model.kick.slope
    assert len(process.residuals) == 101
    for broken in ("", "{}", '{"model": {}, "process": {}}'):
        with pytest.raises(ValueError, match="no calibrated"):
            process_from_json(broken)
