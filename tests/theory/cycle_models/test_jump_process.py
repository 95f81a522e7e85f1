import math

import numpy as np
import pytest

from theory.cycle_models import jump_process, oscillator
from theory.cycle_models.jump_process import Hazard
from theory.laws import decay_rate
from theory.simulation.grid import Grid, simulate
from theory.toy_losses import losses

CONSTANT = Hazard(np.array([0.0, 1.0]), np.array([0.01, 0.01]))


def half_a_unit(u, rng):
    return 0.5


def test_a_constant_hazard_is_a_poisson_process():
    paths = jump_process.simulate(
        CONSTANT, half_a_unit, 1e-3, log_elr=-3.0, n_jumps=200, seeds=list(range(50))
    )
    gaps = np.diff(paths.step, axis=1).ravel()
    assert gaps.mean() == pytest.approx(100, rel=0.03)
    assert gaps.std() == pytest.approx(100, rel=0.04)
    np.testing.assert_allclose(paths.before - paths.after, 0.5, rtol=1e-12)
    rise = paths.before[:, 1:] - paths.after[:, :-1]
    np.testing.assert_allclose(rise, decay_rate(1e-3) * np.diff(paths.step, axis=1), atol=1e-9)


def test_a_sharp_hazard_is_the_relaxation_oscillator():
    sharp = Hazard(np.array([2.0, 2.0 + 1e-9]), np.array([0.0, 1e6]))
    paths = jump_process.simulate(
        sharp, lambda u, rng: 1.5, 1e-3, log_elr=0.0, n_jumps=6, seeds=[0]
    )
    np.testing.assert_allclose(np.diff(paths.step[0]), 1.5 / decay_rate(1e-3), rtol=1e-6)
    np.testing.assert_allclose(paths.before, 2, rtol=1e-6)


def test_an_exponential_hazard_has_gumbel_onsets():
    rate, k = decay_rate(1e-2), 4.0
    u = np.linspace(-8, 5, 6000)
    hazard = Hazard(u, rate * k * np.exp(k * u))
    paths = jump_process.simulate(
        hazard, lambda v, rng: 6.0 + v, 1e-2, log_elr=-6.0, n_jumps=100, seeds=list(range(40))
    )
    # exp(k u) at the onset is exponential with mean 1
    assert paths.before.mean() == pytest.approx(-0.5772156649 / k, abs=0.02)
    assert paths.before.std() == pytest.approx(math.pi / math.sqrt(6) / k, rel=0.05)


def toy_log_elr(intrinsic_lr, n_seeds, n_cycles):
    """ln(elr) of full-batch descent on three points on an axis, about 4.2 / (eta lam) a cycle."""
    loss = losses.logistic([[1.0, 0.0], [0.5, 0.0], [0.25, 0.0]], 5.0)
    n_steps = int(4.2 * n_cycles / intrinsic_lr)
    grid = Grid((1.0,), (intrinsic_lr,), tuple(range(n_seeds)), n_steps=n_steps)
    return np.log(simulate(loss, grid)["effective_lr"].values.T)


def test_process_measured_at_one_rate_meets_the_logistic_toy_over_two_decades():
    law = jump_process.measure(toy_log_elr(1e-2, 32, 12))
    for intrinsic_lr in (1e-4, 1e-3, 1e-2):
        toy = oscillator.mean_cycle(toy_log_elr(intrinsic_lr, 16, 8))
        paths = jump_process.simulate(
            law.hazard(intrinsic_lr), law.drop, intrinsic_lr, log_elr=0.0, n_jumps=50, seeds=[0, 1]
        )
        assert np.diff(paths.step, axis=1).mean() == pytest.approx(toy.period, rel=0.1)
        before, after = np.exp(paths.before[:, 1:].mean()), np.exp(paths.after[:, 1:].mean())
        assert before == pytest.approx(toy.effective_lr_before_jump, rel=0.1)
        assert after == pytest.approx(toy.effective_lr_after_jump, rel=0.1)


def test_measured_hazard_is_the_one_that_made_the_jumps():
    rate, k = decay_rate(1e-2), 4.0
    u = np.linspace(-8, 5, 6000)
    made = Hazard(u, rate * k * np.exp(k * u))
    paths = jump_process.simulate(
        made, lambda v, rng: 3.0 + 0.5 * v, 1e-2, log_elr=-6.0, n_jumps=1000, seeds=list(range(10))
    )
    series = [np.ravel([paths.before[run], paths.after[run]], order="F") for run in range(10)]
    law = jump_process.measure(np.array(series).T, bins=30)
    middle = np.quantile(paths.before, [0.2, 0.5, 0.8])
    found = np.interp(middle, law.rise.log_elr, law.rise.rate)
    np.testing.assert_allclose(found, k * np.exp(k * middle), rtol=0.15)
    drawn = [law.drop(v, np.random.default_rng(0)) for v in middle]
    np.testing.assert_allclose(drawn, 3.0 + 0.5 * middle, atol=0.01)
    assert law.hazard(1e-3).rate.max() == pytest.approx(
        law.rise.rate.max() * decay_rate(1e-3), rel=1e-12
    )


def test_too_few_jumps_are_refused():
    with pytest.raises(ValueError, match="a hazard needs at least 20 jumps, got 9"):
        jump_process.measure(np.tile([0.0, 1.0], 11)[:, None])


def test_a_trajectory_depends_on_its_own_seed_alone():
    def draw(seeds):
        return jump_process.simulate(
            CONSTANT, lambda u, rng: rng.exponential(), 1e-3, log_elr=0.5, n_jumps=9, seeds=seeds
        ).step

    np.testing.assert_array_equal(draw([3, 8])[1], draw([8])[0])
    assert (draw([3]) != draw([8])).all()


def test_bad_values_are_named():
    with pytest.raises(ValueError, match="rate must be finite, >= 0 and above 0 at last"):
        Hazard(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="log_elr must rise"):
        Hazard(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match=r"intrinsic_lr must be in \(0, 1\), got 0"):
        jump_process.simulate(CONSTANT, half_a_unit, 0.0, log_elr=0.0, n_jumps=1, seeds=[0])
    with pytest.raises(ValueError, match="drop must be a finite number >= 0, got -1"):
        jump_process.simulate(CONSTANT, lambda u, r: -1.0, 0.1, log_elr=0, n_jumps=1, seeds=[0])
