from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from compare.measure.observables import measure_run
from theory import laws
from theory.cycle_models import kick_model, kick_trajectories
from theory.cycle_models.log_line import LogLine
from theory.trajectory.jumps import find_jumps

from ...kick_model import LR
from ...kick_model import TRUE_MODEL as MODEL
from ...recorded import recorded_run


def simulated(intrinsic_lr, n_cycles=1500, seed=0):
    wd = intrinsic_lr / LR
    n_steps = int(n_cycles * kick_model.predict(MODEL, LR, wd).period)
    rng = np.random.default_rng(seed)
    return wd, kick_trajectories.simulate(MODEL, LR, wd, n_steps=n_steps, rng=rng)


@pytest.mark.parametrize("intrinsic_lr", [5e-4, 2e-2])
def test_simulation_obeys_the_exact_norm_law(intrinsic_lr):
    wd, series = simulated(intrinsic_lr, n_cycles=20)
    norm, g = series["weight_norm"], series["effective_grad_norm"]
    np.testing.assert_allclose(
        norm[1:], laws.next_weight_norm(norm[:-1], g[:-1], LR, wd), rtol=1e-12
    )
    assert norm[0] == pytest.approx(MODEL.initial_norm, rel=1e-14)
    np.testing.assert_allclose(series["train_loss"], 0.02 * g**1.1, rtol=1e-14)


@pytest.mark.parametrize("intrinsic_lr", [3e-4, 3e-3])
def test_closed_forms_describe_the_simulation(intrinsic_lr):
    wd, series = simulated(intrinsic_lr)
    predicted = kick_model.predict(MODEL, LR, wd)
    log_elr = np.log(laws.effective_lr(series["weight_norm"], LR))
    jumps = find_jumps(log_elr, min_drop=1e-3)
    gaps = np.diff(jumps.onsets)
    assert gaps.mean() == pytest.approx(predicted.period, rel=0.03)
    inside = (gaps >= predicted.period_low) & (gaps <= predicted.period_high)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    before = np.exp(log_elr[jumps.onsets].mean())
    assert before == pytest.approx(predicted.effective_lr_before_jump, rel=0.03)
    after = np.exp(log_elr[jumps.landings].mean())
    assert after == pytest.approx(predicted.effective_lr_after_jump, rel=0.05)
    assert jumps.onsets[0] == pytest.approx(predicted.first_jump, rel=0.7)


def test_landing_is_the_lowest_point_of_the_mean_cycle():
    cycle = kick_model.mean_cycle(MODEL, 1e-3)
    steps = np.linspace(0, 200, 200_001)
    full = cycle.kick + cycle.rate * cycle.kick_time
    path = cycle.onset + cycle.rate * steps - full * steps / (steps + cycle.kick_time)
    predicted = kick_model.predict(MODEL, LR, 1e-3 / LR)
    assert np.exp(path.min()) == pytest.approx(predicted.effective_lr_after_jump, rel=1e-6)
    assert np.log(predicted.effective_lr_after_jump) == pytest.approx(MODEL.landing(1e-3))


def test_a_period_is_a_climb_and_a_recovery():
    slow = replace(MODEL, recovery=4.0)
    for intrinsic_lr in (1e-3, 1e-2):
        times = [kick_model.predict(m, LR, intrinsic_lr / LR).period for m in (slow, MODEL)]
        assert times[0] - times[1] == pytest.approx(4, rel=1e-9)
        climb = MODEL.kick(intrinsic_lr) / (-2 * np.log1p(-intrinsic_lr))
        assert times[1] == pytest.approx(climb, rel=1e-12)


def test_first_jump_counts_the_way_from_the_initial_norm():
    intrinsic_lr = 1e-3
    predicted = kick_model.predict(MODEL, LR, intrinsic_lr / LR)
    climb = -3.2 + 0.6 - np.log(LR / 6.5**2)
    assert predicted.first_jump == pytest.approx(climb / (-2 * np.log(1 - 1e-3)), rel=1e-12)
    first = []
    for seed in range(200):
        norm = simulated(intrinsic_lr, 12, seed)[1]["weight_norm"]
        first.append(find_jumps(-2 * np.log(norm), min_drop=1e-3).onsets[0])
    assert np.mean(first) == pytest.approx(predicted.first_jump, rel=0.06)


def test_regime_turns_where_the_norm_grows_a_quarter_of_the_time():
    border = np.exp((np.log(1 / 8) - 1.72) / 1.05)
    assert kick_model.growing_share(1 / 8) == pytest.approx(0.25, rel=1e-12)
    assert kick_model.time_share(0.25) == pytest.approx(1 / 8, rel=1e-12)
    predicted = [kick_model.predict(MODEL, LR, x * border / LR) for x in (0.8, 1.0001, 1.25)]
    assert [one.regime for one in predicted] == ["periodic", "equilibrium", "equilibrium"]
    assert predicted[1].regime_probability == pytest.approx(0.5, abs=0.01)
    # ln y is 1.05 ln 1.25 past the border, with scatter 0.4 / sqrt(10 cycles) and error 0.05
    z = 1.05 * np.log(1.25) / np.hypot(0.4 / np.sqrt(10), 0.05)
    assert predicted[2].regime_probability == pytest.approx(ndtr(z), abs=1e-3)


def test_a_run_that_ends_before_its_first_jump_converges():
    first = kick_model.predict(MODEL, LR, 2e-3).first_jump
    short = kick_model.predict(MODEL, LR, 2e-3, n_steps=first / 2)
    assert short.regime == "convergence"
    assert short.regime_probability == pytest.approx(ndtr(0.5 / 0.3), rel=1e-9)


def test_growing_share_goes_from_a_sawtooth_to_reversible_noise():
    assert kick_model.growing_share(1e-6) == pytest.approx(1e-3, rel=1e-2)
    assert kick_model.growing_share(1e3) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(("intrinsic_lr", "regime"), [(3e-3, "periodic"), (0.2, "equilibrium")])
def test_extractor_sees_the_predicted_regime(intrinsic_lr, regime):
    wd, series = simulated(intrinsic_lr, n_cycles=60)
    measured = measure_run(
        recorded_run(series["weight_norm"], series["effective_grad_norm"], LR, wd)
    )
    assert measured["regime"] == regime == kick_model.predict(MODEL, LR, wd).regime


def test_settings_without_cycle_are_refused():
    with pytest.raises(ValueError, match="weight_decay must be a positive"):
        kick_model.predict(MODEL, LR, 0.0)
    with pytest.raises(ValueError, match="below 1"):
        kick_model.predict(MODEL, 2.0, 0.5)


def test_an_equilibrium_relaxes_by_the_norm_law_to_the_middle_of_the_cycle():
    wd = 0.05 / LR
    series = kick_trajectories.relax(MODEL, LR, wd, n_steps=400)
    norm, g = series["weight_norm"], series["effective_grad_norm"]
    np.testing.assert_allclose(
        norm[1:], laws.next_weight_norm(norm[:-1], g[:-1], LR, wd), rtol=1e-12
    )
    np.testing.assert_allclose(g, g[0], rtol=1e-9)  # a constant gradient
    cycle = kick_model.mean_cycle(MODEL, 0.05)
    rest = np.exp(cycle.onset - cycle.drop / 2)
    assert LR / norm[-1] ** 2 == pytest.approx(rest, rel=1e-6)
    assert norm[0] == pytest.approx(MODEL.initial_norm, rel=1e-12)


def test_merged_kicks_do_not_carry_the_norm_away():
    """A kick that is hardly seen before the next is due would take off more than decay adds."""
    wd = 0.3 / LR
    merged = replace(MODEL, kick=LogLine(1.2, 0.0), landing=LogLine(-2.0, 0.0))
    rng = np.random.default_rng(0)
    norm = kick_trajectories.simulate(merged, LR, wd, n_steps=2000, rng=rng)["weight_norm"]
    cycle = kick_model.mean_cycle(merged, 0.3)
    rest = np.exp(cycle.onset - cycle.drop / 2)
    assert LR / norm[-1] ** 2 == pytest.approx(rest, rel=1e-6)
