import numpy as np
import pytest

from compare.forecast import fan
from compare.forecast.forecast import _undrawn
from compare.predict.outlook import Network

RATE = 1e-3


def network(n=200, **changes):
    values = {
        "period": 1200.0,
        "variation": 0.3,
        "first": 1500.0,
        "first_spread": 100.0,
        "onset": -2.8,
        "landing": -3.9,
        "growth": -6.0,
    }
    drawn = {name: np.full(n, value) for name, value in {**values, **changes}.items()}
    return Network(rate=RATE, **drawn)


def test_a_path_rises_by_decay_and_falls_at_its_jumps():
    times = np.array([[1500.0, 2700.0, np.inf]])
    steps = np.arange(3600)
    (path,) = fan.paths(network(1), times, -4.0, steps)
    rises = np.diff(path)
    quiet = rises[np.r_[600:1490, 2000:2690, 3200:3590]]
    np.testing.assert_allclose(quiet, RATE, rtol=0.2)
    assert path[0] == pytest.approx(-4.0)
    for jump in (1500, 2700):
        assert path[jump] - path[jump + 60] > 0.6
        assert path[jump] == pytest.approx(path[jump - 1], abs=0.05)  # no gap where cycles meet


def test_paths_stay_near_onset_and_landing():
    rng = np.random.default_rng(0)
    gaps = rng.gamma(11, 1200 / 11, size=(200, 20))
    times = 1500 + np.cumsum(gaps, axis=1) - gaps[:, :1]
    found = fan.paths(network(), times, -4.0, np.arange(0, 12_000, 50))
    late = found[:, 100:]
    assert np.median(late.max(axis=1)) == pytest.approx(-2.3, abs=0.5)
    assert np.median(late.min(axis=1)) == pytest.approx(-4.2, abs=0.5)
    assert np.isfinite(found).all()


def test_without_a_jump_decay_alone_moves_the_norm():
    times = np.full((3, 1), np.inf)
    found = fan.paths(network(3, first=5000.0), times, -4.0, np.arange(1000))
    np.testing.assert_allclose(np.diff(found[:, 300:], axis=1), RATE, rtol=0.2)


def test_after_the_last_jump_that_was_drawn_its_cycles_come_again():
    """A path of very many jumps: neither the fan nor the jumps expected of it end with those."""
    times = 1500.0 + 1200.0 * np.arange(6)[None]
    steps = np.arange(0, 40_000, 100)
    (path,) = fan.paths(network(1), times, -4.0, steps)
    assert path.max() < -2.0 and path.min() > -5.5
    drawn, again = path[(steps > 1500) & (steps <= 7500)], path[(steps > 7500) & (steps <= 13500)]
    np.testing.assert_allclose(again[:-1], drawn[:-1])
    expected = _undrawn(network(1), times, np.array([0.0, 6000.0, 9000.0, 12_000.0]))
    np.testing.assert_allclose(expected, [0.0, 1500 / 1200, 3000 / 1200])


def test_with_gradients_of_one_size_the_norm_comes_to_rest_as_the_norm_law_says():
    decay, g, eta, rho = 1e-2, 3.0, 0.5, 2.0
    level = np.log(np.sqrt(2 * decay) / g)  # elr at the equilibrium of small decay
    steps = np.arange(200)
    (path,) = fan.coming_to_rest(np.array([level]), decay, np.log(eta / rho**2), steps)
    for log_elr in path:
        assert np.exp(log_elr) == pytest.approx(eta / rho**2, rel=0.03)
        rho = np.hypot((1 - decay) * rho, eta * g / rho)
    assert path[-1] == pytest.approx(level, abs=0.02)
