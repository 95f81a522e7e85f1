import numpy as np
import pytest

from compare.observables import measure_run
from theory import laws, reduced
from theory.jumps import find_jumps

from ..kick_model import LR
from ..kick_model import TRUE_MODEL as MODEL


def simulated(intrinsic_lr, n_cycles=1500, seed=0):
    wd = intrinsic_lr / LR
    n_steps = int(n_cycles * reduced.predict(MODEL, LR, wd).period)
    rng = np.random.default_rng(seed)
    return wd, reduced.simulate(MODEL, LR, wd, n_steps=n_steps, rng=rng)


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
    predicted = reduced.predict(MODEL, LR, wd)
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
    intrinsic_lr = 1e-3
    rate, kick = reduced.decay_rate(intrinsic_lr), MODEL.kick(intrinsic_lr)
    steps = np.linspace(0, 200, 200_001)
    full = kick + rate * MODEL.kick_time
    path = MODEL.onset(intrinsic_lr) + rate * steps - full * steps / (steps + MODEL.kick_time)
    predicted = reduced.predict(MODEL, LR, intrinsic_lr / LR)
    assert np.exp(path.min()) == pytest.approx(predicted.effective_lr_after_jump, rel=1e-6)


def test_first_jump_counts_the_way_from_the_initial_norm():
    intrinsic_lr = 1e-3
    predicted = reduced.predict(MODEL, LR, intrinsic_lr / LR)
    climb = -3.2 + 0.6 - np.log(LR / 6.5**2)
    assert predicted.first_jump == pytest.approx(climb / (-2 * np.log(1 - 1e-3)), rel=1e-12)
    first = []
    for seed in range(200):
        norm = simulated(intrinsic_lr, 12, seed)[1]["weight_norm"]
        first.append(find_jumps(-2 * np.log(norm), min_drop=1e-3).onsets[0])
    assert np.mean(first) == pytest.approx(predicted.first_jump, rel=0.06)


def test_regime_border_is_eight_kick_times():
    def regime(intrinsic_lr):
        return reduced.predict(MODEL, LR, intrinsic_lr / LR).regime

    border = 0.02636  # kick / (-2 ln(1 - x)) = 8 * 2.5
    period = MODEL.kick(border) / reduced.decay_rate(border)
    assert period == pytest.approx(8 * MODEL.kick_time, rel=0.01)
    assert reduced.growing_share(1 / 8) == pytest.approx(0.25, rel=1e-12)
    assert regime(0.95 * border) == "periodic"
    assert regime(1.05 * border) == "equilibrium"


def test_growing_share_goes_from_a_sawtooth_to_reversible_noise():
    assert reduced.growing_share(1e-6) == pytest.approx(1e-3, rel=1e-2)
    assert reduced.growing_share(1e3) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(("intrinsic_lr", "regime"), [(3e-3, "periodic"), (0.2, "equilibrium")])
def test_extractor_sees_the_predicted_regime(intrinsic_lr, regime):
    wd, series = simulated(intrinsic_lr, n_cycles=60)
    measured = measure_run(series["weight_norm"], series["effective_grad_norm"], LR, wd)
    assert measured["regime"] == regime == reduced.predict(MODEL, LR, wd).regime


def test_settings_without_cycle_are_refused():
    with pytest.raises(ValueError, match="weight_decay must be a positive"):
        reduced.predict(MODEL, LR, 0.0)
    with pytest.raises(ValueError, match="below 1"):
        reduced.predict(MODEL, 2.0, 0.5)
