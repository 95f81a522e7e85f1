"""Criterion and waiting times of jumps, over thousands of random and adversarial gradients."""

import numpy as np
import pytest

from theory import laws
from theory.laws import jump_bounds

N_SETTINGS = 4000


def log_uniform(rng, low, high):
    return np.exp(rng.uniform(np.log(low), np.log(high), N_SETTINGS))


@pytest.fixture(params=range(3))
def rng(request):
    return np.random.default_rng(request.param)


def first_jumps(choose, norm, lr, wd, delta, n_steps):
    """Index of the first jump of every run, n_steps where none comes; ``choose(step, norm)``."""
    first = np.full(norm.shape, n_steps)
    for step in range(n_steps):
        g = choose(step, norm)
        jumped = laws.is_delta_jump(norm, g, lr, wd, delta)
        first = np.where(jumped & (first == n_steps), step, first)
        norm = laws.next_weight_norm(norm, g, lr, wd)
    return first


def patterns(rng, low, high):
    """Ways to choose g between two bounds, without and with a look at the state."""
    period = rng.integers(1, 30, N_SETTINGS)
    return {
        "random": lambda step, norm: low + (high - low) * rng.random(N_SETTINGS),
        "either bound": lambda step, norm: np.where(rng.random(N_SETTINGS) < 0.5, low, high),
        "alternating": lambda step, norm: np.where(step // period % 2 == 0, low, high),
        "lowest": lambda step, norm: low,
        "highest": lambda step, norm: high,
    }


PATTERNS = ["random", "either bound", "alternating", "lowest", "highest"]


def test_criterion_is_the_angle_between_weight_vectors(rng):
    lr, wd = log_uniform(rng, 1e-3, 10), log_uniform(rng, 1e-5, 0.09)
    norm, g = log_uniform(rng, 0.1, 10), log_uniform(rng, 1e-3, 100)
    weights = rng.standard_normal((N_SETTINGS, 3))
    weights *= (norm / np.linalg.norm(weights, axis=1))[:, None]
    tangent = np.cross(weights, rng.standard_normal((N_SETTINGS, 3)))
    gradient = tangent * (g / norm / np.linalg.norm(tangent, axis=1))[:, None]
    moved = (1 - lr * wd)[:, None] * weights - lr[:, None] * gradient
    units = [w / np.linalg.norm(w, axis=1)[:, None] for w in (weights, moved)]
    size = np.sum((units[0] - units[1]) ** 2, axis=1) / 2  # 1 - cos, without cancellation
    delta = size * np.where(rng.random(N_SETTINGS) < 0.5, 1 - 1e-6, 1 + 1e-6)
    sound = (delta < 1) & (size > 1e-12)
    assert sound.sum() > 0.9 * N_SETTINGS
    jumps = laws.is_delta_jump(norm, g, lr, wd, np.minimum(delta, 0.999999))
    np.testing.assert_array_equal(jumps[sound], (size > delta)[sound])


def test_the_norm_grows_exactly_when_the_angle_is_above_the_stationary_one(rng):
    lr, wd = log_uniform(rng, 1e-3, 1), log_uniform(rng, 1e-4, 0.9)
    norm, g = log_uniform(rng, 0.1, 10), log_uniform(rng, 1e-3, 100)
    angle, still = laws.angular_update(norm, g, lr, wd), laws.stationary_angle(lr * wd)
    grows = laws.next_weight_norm(norm, g, lr, wd) > norm
    np.testing.assert_array_equal(grows, angle > still)
    assert 0.1 < grows.mean() < 0.9


def jump_free_setting(rng):
    """Rates, decays, bounds on g and starts from which a jump needs 20 to 400 steps."""
    lr, intrinsic_lr = log_uniform(rng, 1e-3, 1), log_uniform(rng, 5e-3, 0.1)
    wd, delta, high = intrinsic_lr / lr, log_uniform(rng, 1e-4, 0.5), log_uniform(rng, 0.1, 10)
    limit = lr * high / (laws.jump_constant(delta) * (1 - intrinsic_lr))
    norm = np.sqrt(limit * (1 - intrinsic_lr) ** (-2 * rng.uniform(20, 400, N_SETTINGS)))
    return norm, high, lr, wd, delta


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_jump_before_the_jump_free_time(rng, pattern):
    norm, high, lr, wd, delta = jump_free_setting(rng)
    wait = jump_bounds.jump_free_steps(norm, high, lr, wd, delta)
    choose = patterns(rng, 0 * high, high)[pattern]
    assert np.all(first_jumps(choose, norm, lr, wd, delta, 420) >= wait)


def test_the_jump_free_time_is_reached_by_silence_and_then_the_bound(rng):
    norm, high, lr, wd, delta = jump_free_setting(rng)
    wait = jump_bounds.jump_free_steps(norm, high, lr, wd, delta)
    jumped = first_jumps(
        lambda step, norm: np.where(step < wait, 0.0, high), norm, lr, wd, delta, 420
    )
    np.testing.assert_array_equal(jumped, np.ceil(wait))


def certain_setting(rng):
    """Settings in which a jump is certain within 1000 steps."""
    lr, intrinsic_lr = log_uniform(rng, 1e-3, 1), log_uniform(rng, 5e-3, 0.3)
    wd, delta = intrinsic_lr / lr, intrinsic_lr * rng.uniform(0.01, 0.9, N_SETTINGS)
    high = log_uniform(rng, 0.1, 10)
    needed = laws.jump_constant(delta) / laws.jump_constant(intrinsic_lr)
    low = high * (needed + (1 - needed) * rng.uniform(0.05, 1, N_SETTINGS))
    norm = log_uniform(rng, 0.5, 5) * np.sqrt(lr * high / laws.jump_constant(delta))
    bound = jump_bounds.certain_jump_steps(norm, low, high, lr, wd, delta)
    assert np.mean(bound < 1000) > 0.9
    return norm, low, high, lr, wd, delta, bound


def adversary(low, high, lr, wd, delta):
    """Grow the norm by the largest g that does not jump: the longest way to the first one."""

    def choose(step, norm):
        largest = (1 - lr * wd) * laws.jump_constant(delta) * norm**2 / lr * (1 - 1e-12)
        return np.clip(largest, low, high)

    return choose


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [*PATTERNS, "adversary"])
def test_a_jump_comes_within_the_certain_time(rng, pattern):
    norm, low, high, lr, wd, delta, bound = certain_setting(rng)
    choose = patterns(rng, low, high) | {"adversary": adversary(low, high, lr, wd, delta)}
    jumped = first_jumps(choose[pattern], norm, lr, wd, delta, 1001)
    soon = bound < 1000
    assert np.all(jumped[soon] <= np.ceil(bound[soon]))


def test_the_adversary_comes_close_to_the_certain_time(rng):
    norm, low, high, lr, wd, delta, bound = certain_setting(rng)
    jumped = first_jumps(adversary(low, high, lr, wd, delta), norm, lr, wd, delta, 1001)
    late = (bound > 50) & (bound < 1000)
    assert np.median(jumped[late] / bound[late]) > 0.8


def test_beyond_the_threshold_constant_bounds_let_a_run_avoid_jumps_for_good(rng):
    norm, low, high, lr, wd, *_ = certain_setting(rng)
    large = lr * wd * rng.uniform(1.05, 2, N_SETTINGS)
    rest = np.sqrt(lr * high / laws.jump_constant(lr * wd) / (1 - lr * wd))
    norm = np.maximum(norm, 1.05 * rest)
    assert np.all(np.isinf(jump_bounds.certain_jump_steps(norm, low, high, lr, wd, large)))
    jumped = first_jumps(lambda step, norm: high, norm, lr, wd, large, 1000)
    assert np.all(jumped == 1000)
