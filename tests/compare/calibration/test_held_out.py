import json

import numpy as np
import pytest
import xarray as xr

from compare.calibration import hazard_fit, held_out
from compare.calibration.calibrate import calibrate, laws_from_json, model_from_json, observe
from compare.calibration.held_out import Split
from compare.calibration.laws import evidence, priors
from compare.calibration.laws.population import FLOOR
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles, collect
from compare.measure import over_seeds
from compare.predict.errors import absolute_errors
from compare.study.comparison import compare_with_theory
from theory.cycle_models import hazard_model, kick_model
from theory.cycle_models.hazard_model import GompertzProcess, Hazard
from theory.cycle_models.log_line import LogLine
from theory.laws import decay_rate
from theory.trajectory import read_runs

from ...kick_model import LR, TRUE_MODEL
from ..conftest import asked, networks_from
from .made_cycles import run_cycles

TRUE_LOSS_LAW = (0.02, 1.1)


@pytest.fixture(scope="module")
def many():
    return networks_from(TRUE_MODEL, [5e-4, 1e-3, 2e-3, 4e-3, 8e-3], seeds=6, n_cycles=30)


@pytest.fixture(scope="module")
def compared(many):
    return compare_with_theory(many, asked(all_held_out(many), leave_one_out=True))


def all_held_out(networks):
    return {str(run): "held_out" for run in networks["run"].values}


def poisoned(networks, intrinsic_lr):
    """The same with nonsense in the trajectories of one setting."""
    other = networks.copy(deep=True)
    chosen = np.isclose(other["intrinsic_lr"], intrinsic_lr)
    steps = np.sin(0.05 * other["step"].values) ** 2 + 0.5
    steps = np.where(chosen[:, None], steps, 1)
    powers = {"weight_norm": -0.5, "effective_lr": 1, "effective_grad_norm": 1, "train_loss": 1}
    for name, power in powers.items():  # the learning rate stays what it is
        other[name] = other[name].copy(data=other[name].values * steps**power)
    return other


def test_each_setting_is_predicted_by_all_others(many):
    plan = held_out.splits(many, read_runs(many), all_held_out(many), leave_one_out=True)
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
    twin["weight_norm"] = twin["weight_norm"] * xr.where(first, 2, 1)
    twin["weight_decay"] = ("run", twin["intrinsic_lr"].values / rates * (1 + 1e-12))
    twin["intrinsic_lr"] = ("run", rates * twin["weight_decay"].values)
    plan = held_out.splits(twin, read_runs(twin), all_held_out(twin), leave_one_out=True)
    assert sorted(len(split.predicted) for split in plan) == [6] * 5


def test_a_planted_leak_is_refused(many):
    runs = [str(run) for run in many["run"].values]
    with pytest.raises(ValueError, match=r"is held out, but calibration runs have its eta\*lam"):
        held_out.refuse_leaks(many, Split(tuple(runs[1:]), (runs[0],)))
    # the same by the roles of a study: seeds of one setting on both sides of the wall
    roles = all_held_out(many) | dict.fromkeys([*runs[:5], *runs[6:12]], "calibration")
    _, comparison, _ = compare_with_theory(many, asked(roles))
    assert "it would predict itself" in comparison.attrs["reason_prediction"]
    assert "predicted_period" not in comparison


def test_one_value_leaves_nothing_to_calibrate_on(many):
    one = many.isel(run=np.isclose(many["intrinsic_lr"], 2e-3))
    _, comparison, _ = compare_with_theory(one, asked(all_held_out(one), leave_one_out=True))
    assert comparison.attrs["reason_prediction"] == (
        "no run is left to calibrate on: all have eta*lam = 0.002"
    )
    assert "predicted_period" not in comparison


@pytest.mark.slow
def test_no_run_has_a_part_in_its_own_prediction(many, compared):
    """Nonsense in one setting leaves its prediction as it was, and moves all others."""
    other = poisoned(many, 2e-3)
    _, after, _ = compare_with_theory(other, asked(all_held_out(other), leave_one_out=True))
    own = np.isclose(many["intrinsic_lr"], 2e-3)
    for name in ("predicted_period", "process_period", "baseline_period", "predicted_regime"):
        np.testing.assert_array_equal(compared[1][name].values[own], after[name].values[own])
    moved = abs(after["predicted_period"] / compared[1]["predicted_period"] - 1).values
    assert np.nanmin(moved[~own]) > 1e-4 and np.nanmax(moved[~own]) > 0.01


def test_held_out_periods_are_met(compared):
    settings = over_seeds.by_setting(compared[1])
    errors = absolute_errors(settings, "period")
    assert len(errors) == 5
    assert np.median(errors) < 0.06  # a mean of 180 periods is known to 2 %
    assert (compared[1]["predicted_regime"] == compared[1]["regime"]).mean() > 0.95
    assert "24 runs at ηλ = 0.001, 0.002, 0.004, 0.008" in compared[1]["calibrated_on"].values


@pytest.mark.slow
def test_shuffled_settings_destroy_the_prediction(many):
    shuffled = many.copy(deep=True)
    order = np.array([3, 0, 4, 1, 2])
    values = np.unique(many["intrinsic_lr"].values)
    new = values[order][np.searchsorted(values, many["intrinsic_lr"].values)]
    shuffled["intrinsic_lr"] = ("run", new)
    shuffled["weight_decay"] = ("run", new / LR)
    _, comparison, _ = compare_with_theory(
        shuffled, asked(all_held_out(shuffled), leave_one_out=True)
    )
    errors = abs(comparison["predicted_period"] / comparison["period"] - 1)
    assert float(np.nanmedian(errors)) > 0.3


@pytest.mark.parametrize("recovery", [0.0, 15.0])
def test_recovery_is_told_from_the_climb(recovery):
    """Periods made as K(eta lam) / r + recovery steps come out as that, whatever the prior."""
    settings = [synthetic(x, recovery) for x in (3e-4, 1e-3, 4e-3, 1e-2, 3e-2)]
    laws = evidence.learn(Laws(priors.from_networks([])), settings)
    for x in (5e-4, 2e-3, 1e-2):
        kick, spread = laws.of("log_kick", x)
        made = np.log(TRUE_MODEL.kick(x) + decay_rate(x) * recovery)
        assert kick == pytest.approx(made, abs=1.5 * spread)
        assert spread < 0.08
    mean, covariance = laws.numbers()
    share = recovery / TRUE_MODEL.kick(3e-2)  # of a kick by which ln K rises with the rate
    assert mean[3] == pytest.approx(share, abs=1.5 * covariance[3, 3] ** 0.5)
    assert abs(mean[3] - share) < 0.7 * abs(FLOOR["log_kick"][0][3] - share)


def synthetic(intrinsic_lr, recovery):
    rate = decay_rate(intrinsic_lr)
    mean = TRUE_MODEL.kick(intrinsic_lr) / rate + recovery
    swing = np.tile([0.8, 1.2], 10)
    run = run_cycles(
        mean * swing,
        onsets=-2.7 + 0.1 * (swing - 1),
        kicks=rate * mean * swing,
        next_onsets=-2.7 - 0.1 * (swing - 1),
        first_step=mean,
        unfinished=0.0,
    )
    return SettingCycles(intrinsic_lr, (run, run))


def test_the_table_holds_the_laws_and_what_they_fit(many, compared):
    table, laws = compared[2], laws_from_json(compared[1].attrs["calibration"])[0]
    mean, covariance = laws.numbers()
    held = table.sel(parameter="log_kick.slope")
    assert float(held["value"]) == pytest.approx(mean[1], rel=1e-12)
    assert float(held["standard_error"]) == pytest.approx(covariance[1, 1] ** 0.5, rel=1e-9)
    measured = table["kick"].sel(setting=2)
    cycles = many.isel(run=np.isclose(many["intrinsic_lr"], 2e-3))
    assert float(table["intrinsic_lr"].sel(setting=2)) == float(cycles["intrinsic_lr"][0])
    assert float(measured) == pytest.approx(TRUE_MODEL.kick(2e-3), rel=0.1)
    drawn = table.isel(curve=10)
    level, spread = laws.of("log_kick", float(drawn["curve_intrinsic_lr"]))
    found = np.exp(level), spread * np.exp(level)
    assert (float(drawn["kick_law"]), float(drawn["kick_law_error"])) == pytest.approx(found)


def test_a_calibration_survives_its_file(compared):
    text = compared[1].attrs["calibration"]
    (laws, beginning), model = laws_from_json(text), model_from_json(text)
    assert json.loads(text)["model"]["kick"]["slope"] == model.kick.slope
    assert beginning.log_elr == pytest.approx(np.log(LR / TRUE_MODEL.initial_norm**2), rel=1e-6)
    assert beginning.growth == json.loads(text)["first_growth"]
    older = {name: value for name, value in json.loads(text).items() if name != "first_growth"}
    assert laws_from_json(json.dumps(older))[1].growth is None
    assert laws.prior == priors.prior_for("mlp")
    for broken in ("", "{}", '{"model": {}, "laws": {}}'):
        with pytest.raises(ValueError, match="no calibrated"):
            laws_from_json(broken)


def test_settings_that_differ_by_rounding_are_one(many):
    nudged = many.copy(deep=True)
    nudge = 1 + 1e-14 * (many["seed"].values % 2)
    nudged["intrinsic_lr"] = ("run", many["intrinsic_lr"].values * nudge)
    assert [len(c.runs) for c in collect(read_runs(nudged))] == [6] * 5
    assert (
        len(held_out.splits(nudged, read_runs(nudged), all_held_out(nudged), leave_one_out=True))
        == 5
    )


def test_a_share_of_growth_above_one_half_is_an_equilibrium(many):
    """Noise of one run: the norm grows 11 steps of 20, up as fast as down."""
    zigzag = np.interp(np.arange(2000) % 20, [0, 9, 20], [-3.0, -2.5, -3.0])
    (cycles,) = collect(read_runs(one_run(many, zigzag)))
    assert cycles.runs[0].regime == "equilibrium"
    assert kick_model.growing_share(np.exp(cycles.runs[0].growth)) == pytest.approx(0.49, abs=1e-3)


@pytest.mark.parametrize(("n_steps", "share"), [(1050, 6 / 50), (1060, 16 / 60)])
def test_a_long_climb_does_not_hide_what_follows(many, n_steps, share):
    """1000 steps up, then a jump of 6 steps and one, not over, from 50 on."""
    climb = np.linspace(-5.0, -2.0, 1000)
    after = np.interp(np.arange(1, 61), [0, 6, 50, 52, 59], [-2.0, -3.0, -2.2, -2.2, -2.6])
    (cycles,) = collect(read_runs(one_run(many, np.append(climb, after)[:n_steps])))
    assert cycles.runs[0].growing_after == pytest.approx(share, abs=0.03)


def one_run(many, log_elr):
    made = many.isel(run=[0], step=slice(0, len(log_elr))).copy(deep=True)
    made["effective_lr"] = (("run", "step"), np.exp(log_elr)[None])
    made["weight_norm"] = (made["learning_rate"] / made["effective_lr"]) ** 0.5
    made["n_steps"] = ("run", [len(log_elr)])
    return made


def test_a_run_that_diverged_is_not_calibrated_on(many):
    """Its last records may be infinite; the fit is that of the other runs."""
    broken = many.copy(deep=True)
    for name in ("train_loss", "effective_grad_norm"):
        values = broken[name].values.copy()
        values[0, int(many["n_steps"][0]) - 1] = np.inf
        broken[name] = (("run", "step"), values)
    broken["status"] = broken["status"].copy(data=["diverged", *many["status"].values[1:]])
    sample = observe(read_runs(broken), [str(run) for run in many["run"].values])
    assert [len(c.runs) for c in sample.settings] == [5, 6, 6, 6, 6]
    assert sample.loss_law == pytest.approx(TRUE_LOSS_LAW, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": ("run", np.full(30, 0.4))}, "constant learning rate"),
        ({"step": 4 * np.arange(10)}, "every step on record"),
    ],
)
def test_runs_that_the_model_is_not_for_are_refused(many, change, said):
    other = many.isel(step=slice(0, 10)).assign(change)
    with pytest.raises(ValueError, match=said):
        held_out.splits(other, read_runs(other), all_held_out(other), leave_one_out=True)


def test_one_seed_is_known_less_well_than_six(many):
    runs = [str(run) for run in many["run"].values]
    single = [str(run) for run in many["run"].values[many["seed"].values == 0]]
    prior = priors.prior_for("mlp")
    one, six = (
        calibrate(observe(read_runs(many), chosen), prior).laws.of("log_kick", 2e-3)[1]
        for chosen in (single, runs)
    )
    assert six < 0.8 * one


def test_slow_settings_are_forecast_from_fast_ones_alone(many, compared):
    """Each value from those at least ten times as fast; nonsense in others changes nothing."""
    splits = held_out.extrapolations(many, read_runs(many))
    values = many["intrinsic_lr"]
    assert len(splits) == 1  # 5e-4 from 8e-3: the others have nothing ten times as fast
    for split in splits:
        slow = float(values.sel(run=list(split.predicted)).max())
        assert float(values.sel(run=list(split.calibration)).min()) >= 9.999 * slow
    found = compared[1]["extrapolated_period"]
    assert np.isfinite(found.values).sum() == 6
    other = poisoned(many, 2e-3)
    _, after, _ = compare_with_theory(other, asked(all_held_out(other), leave_one_out=True))
    np.testing.assert_array_equal(found, after["extrapolated_period"])
    error = (found / compared[1]["period"] - 1).values
    assert np.nanmedian(abs(error)) < 0.25


def test_the_process_that_made_the_cycles_is_found():
    """Cycles drawn from a known process give back its hazard, kicks and spreads."""
    true = GompertzProcess(
        hazard=Hazard(-0.5, 0.9),
        center=LogLine(-2.7, 0.02),
        log_spread=LogLine(-1.5, -0.05),
        sensitivity=LogLine(0.8, 0.0),
        log_kick_spread=LogLine(-1.2, 0.0),
        residuals=tuple(np.linspace(-1, 1, 11)),
    )
    values = (1e-3, 4e-3, 1e-2)
    found = hazard_fit.fit([drawn_from(true, x) for x in values])
    for x in values:
        assert found.sensitivity(x) == pytest.approx(0.8, abs=0.1)
        wanted, got = (hazard_model.predict(one, TRUE_MODEL, LR, x / LR) for one in (true, found))
        assert got.period == pytest.approx(wanted.period, rel=0.05)
        assert got.period_low == pytest.approx(wanted.period_low, rel=0.1)
        assert got.period_high == pytest.approx(wanted.period_high, rel=0.1)


def drawn_from(process, intrinsic_lr):
    cycle = kick_model.mean_cycle(TRUE_MODEL, intrinsic_lr)
    climbs, z = hazard_model._cycles(process, cycle.kick, intrinsic_lr, -4.0)
    onsets = process.center(intrinsic_lr) + np.exp(process.log_spread(intrinsic_lr)) * z
    runs = tuple(
        run_cycles(
            climbs[20:, i] / cycle.rate,
            onsets=onsets[19:-1, i],
            kicks=onsets[19:-1, i] - onsets[20:, i] + climbs[20:, i],
            next_onsets=onsets[20:, i],
        )
        for i in range(onsets.shape[1])
    )
    return SettingCycles(intrinsic_lr, runs)
