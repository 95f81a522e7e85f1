import math

import numpy as np
import pytest

from theory import jump_process
from theory.jump_process import Hazard
from theory.reduced import decay_rate

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
