"""The exact laws, held against steps of SGD on a scale-invariant loss in float64."""

from itertools import pairwise

import numpy as np
import pytest

from theory import laws
from theory.laws import jump_bounds

DIMENSION = 6
ROUNDING = 1e-13


def loss_gradient(weights):
    """Gradient of f(w) = h(w/|w|), with h a fixed cubic polynomial."""
    coefficients = np.random.default_rng(3).normal(size=(3, DIMENSION))
    norm = np.linalg.norm(weights)
    unit = weights / norm
    outer = coefficients[0] + 2 * coefficients[1] * unit + 3 * coefficients[2] * unit**2
    return (outer - unit * (unit @ outer)) / norm


def sgd_step(weights, lr, wd):
    return (1 - lr * wd) * weights - lr * loss_gradient(weights)


def effective_g(weights):
    return np.linalg.norm(weights) * np.linalg.norm(loss_gradient(weights))


def angle_between(first, second):
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    return 2 * np.arcsin(np.linalg.norm(first - second) / 2)


@pytest.fixture(params=[(0.3, 1e-3, 1.0), (2.0, 0.1, 3.0), (0.01, 0.5, 0.2)])
def step(request):
    lr, wd, scale = request.param
    weights = scale * np.random.default_rng(1).normal(size=DIMENSION)
    return weights, lr, wd


def test_gradient_is_orthogonal_and_homogeneous(step):
    weights, _, _ = step
    gradient = loss_gradient(weights)
    assert abs(laws.radial_gradient(gradient, weights)) < ROUNDING
    assert laws.radial_gradient(weights, 2 * weights) == pytest.approx(1, rel=ROUNDING)
    np.testing.assert_allclose(loss_gradient(5 * weights), gradient / 5, rtol=1e-12)


def test_norm_law(step):
    weights, lr, wd = step
    predicted = laws.next_weight_norm(np.linalg.norm(weights), effective_g(weights), lr, wd)
    assert predicted == pytest.approx(np.linalg.norm(sgd_step(weights, lr, wd)), rel=ROUNDING)


def test_reduced_lr_law_with_a_schedule(step):
    weights, lr, wd = step
    next_lr, next_wd = 0.7 * lr, 1.4 * wd
    moved = sgd_step(weights, lr, wd)
    predicted = laws.next_reduced_lr(
        laws.reduced_lr(np.linalg.norm(weights), lr, wd),
        effective_g(weights),
        lr,
        wd,
        next_lr,
        next_wd,
    )
    measured = laws.reduced_lr(np.linalg.norm(moved), next_lr, next_wd)
    assert predicted == pytest.approx(measured, rel=ROUNDING)


def test_angle_law_and_jump_criterion(step):
    weights, lr, wd = step
    norm, g = np.linalg.norm(weights), effective_g(weights)
    angle = angle_between(weights, sgd_step(weights, lr, wd))
    assert laws.angular_update(norm, g, lr, wd) == pytest.approx(angle, rel=1e-11)
    size = 1 - np.cos(angle)
    assert laws.is_delta_jump(norm, g, lr, wd, 0.999 * size)
    assert not laws.is_delta_jump(norm, g, lr, wd, 1.001 * size)


def test_jump_constant_is_the_tangent_of_the_angle():
    delta = np.array([1e-12, 1e-3, 0.3, 0.9])
    angle = 2 * np.arcsin(np.sqrt(delta / 2))
    np.testing.assert_allclose(laws.jump_constant(delta), np.tan(angle), rtol=ROUNDING)


@pytest.mark.parametrize("intrinsic_lr", [1e-6, 1e-2, 0.5])
def test_norm_is_stationary_at_the_stationary_angle(intrinsic_lr):
    lr, norm = 0.5, 2.0
    wd = intrinsic_lr / lr
    g = np.tan(laws.stationary_angle(intrinsic_lr)) / laws.reduced_lr(norm, lr, wd)
    assert laws.next_weight_norm(norm, g, lr, wd) == pytest.approx(norm, rel=ROUNDING)
    assert laws.next_weight_norm(norm, 1.01 * g, lr, wd) > norm
    assert laws.next_weight_norm(norm, 0.99 * g, lr, wd) < norm


def test_log_balance_counts_growth_against_decay():
    lr, wd, norm = 0.5, 0.02, 1.5
    rng = np.random.default_rng(0)
    gs = rng.uniform(0.2, 1.0, 400)
    phis = []
    for g in gs:
        phis.append(laws.reduced_lr(norm, lr, wd))
        norm = laws.next_weight_norm(norm, g, lr, wd)
    shrink = 1 - lr * wd
    growth = 2 * np.log(norm / 1.5) - 2 * len(gs) * np.log(shrink)
    ratio = laws.log_balance_ratio(np.array(phis), gs, lr * wd)
    assert ratio == pytest.approx(growth / (-2 * len(gs) * np.log(shrink)), rel=1e-11)


def first_jump(norm, gs, lr, wd, delta):
    for step, g in enumerate(gs):
        if laws.is_delta_jump(norm, g, lr, wd, delta):
            return step
        norm = laws.next_weight_norm(norm, g, lr, wd)
    return np.inf


def test_no_jump_before_the_waiting_time_which_is_reached_at_zero_gradient():
    lr, wd, norm, delta, largest = 0.1, 0.02, 4.0, 0.05, 3.0
    wait = jump_bounds.jump_free_steps(norm, largest, lr, wd, delta)
    gs = np.zeros(5000)
    gs[int(wait) + 1 :] = largest
    assert first_jump(norm, gs, lr, wd, delta) == int(wait) + 1
    assert jump_bounds.jump_free_steps(0.01, largest, lr, wd, delta) == 0


def test_certain_jump_happens_in_time_and_is_tight_at_constant_gradient():
    lr, wd, norm = 0.1, 0.02, 4.0
    delta = 0.5 * lr * wd
    bound = jump_bounds.certain_jump_steps(norm, 1.0, 1.0, lr, wd, delta)
    jumped = first_jump(norm, np.ones(10_000), lr, wd, delta)
    assert 0.9 * bound < jumped <= bound + 1
    rng = np.random.default_rng(0)
    low = 0.9
    bound = jump_bounds.certain_jump_steps(norm, low, 1.0, lr, wd, delta)
    for _ in range(200):
        gs = rng.choice([low, 1.0], 10_000)
        assert first_jump(norm, gs, lr, wd, delta) <= bound + 1


def test_constant_bounds_never_force_a_large_jump():
    lr, wd = 0.1, 0.02
    assert jump_bounds.certain_jump_steps(4.0, 1.0, 1.0, lr, wd, 1.5 * lr * wd) == np.inf
    assert jump_bounds.certain_jump_steps(4.0, 0.1, 1.0, lr, wd, 0.5 * lr * wd) == np.inf


def directions(weights, lrs, wds):
    path = []
    for lr, wd in zip(lrs, wds, strict=True):
        path.append(weights / np.linalg.norm(weights))
        weights = sgd_step(weights, lr, wd)
    return np.array(path), weights


def test_equivalent_settings_follow_the_same_path():
    weights = np.random.default_rng(2).normal(size=DIMENSION)
    lr, wd, c = 0.05, 0.1, 3.7
    other_lr, other_wd, other_norm = laws.equivalent_setting(lr, wd, np.linalg.norm(weights), c)
    path, _ = directions(weights, [lr] * 100, [wd] * 100)
    scaled = weights * other_norm / np.linalg.norm(weights)
    other, _ = directions(scaled, [other_lr] * 100, [other_wd] * 100)
    np.testing.assert_allclose(other, path, atol=1e-12)


def test_growing_rate_is_the_twin_of_weight_decay():
    weights = np.random.default_rng(2).normal(size=DIMENSION)
    lr, wd, n_steps = 0.05, 0.1, 100
    path, last = directions(weights, [lr] * n_steps, [wd] * n_steps)
    rates = laws.growing_learning_rate(np.arange(n_steps), lr, wd)
    twin, twin_last = directions(weights, rates, [0.0] * n_steps)
    np.testing.assert_allclose(twin, path, atol=1e-12)
    shrink = laws.momentum_shrink(lr, wd)
    assert shrink == pytest.approx(1 - lr * wd, rel=ROUNDING)
    growth = np.linalg.norm(twin_last) / np.linalg.norm(last)
    assert growth == pytest.approx(shrink**-n_steps, rel=1e-12)


def heavy_ball_directions(start, previous, lrs, wd, momentum):
    weights, path = start, []
    for lr in lrs:
        path.append(weights / np.linalg.norm(weights))
        moved = sgd_step(weights, lr, wd) + momentum * (weights - previous)
        weights, previous = moved, weights
    return np.array(path)


def test_growing_rate_is_the_twin_with_momentum():
    lr, wd, momentum, n_steps = 0.02, 0.05, 0.6, 100
    start = np.random.default_rng(2).normal(size=DIMENSION)
    alpha = laws.momentum_shrink(lr, wd, momentum)
    rates = laws.growing_learning_rate(np.arange(n_steps), lr, wd, momentum)
    path = heavy_ball_directions(start, start, [lr] * n_steps, wd, momentum)
    twin = heavy_ball_directions(start, alpha * start, rates, 0.0, momentum / alpha**2)
    np.testing.assert_allclose(twin, path, atol=1e-11)


def test_momentum_twin_refuses_oscillating_decay():
    with pytest.raises(ValueError, match="at most"):
        laws.momentum_shrink(1.0, 0.5, 0.9)


def heavy_ball_states(weights, lrs, wds, momentum):
    """State before each step: weights, its lr, wd and z = rho (m b + gradient)."""
    buffer, states = np.zeros(DIMENSION), []
    for lr, wd in zip(lrs, wds, strict=True):
        update = momentum * buffer + loss_gradient(weights)
        states.append((weights, lr, wd, np.linalg.norm(weights) * update))
        buffer = update + wd * weights
        weights = weights - lr * buffer
    return states


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_laws_of_reduced_lr_and_radial_update(momentum):
    n_steps = 60
    weights = np.random.default_rng(4).normal(size=DIMENSION)
    lrs = 0.05 * (1 + 0.5 * np.sin(np.arange(n_steps) / 5))
    wds = 0.2 + 0.1 * np.cos(np.arange(n_steps) / 7)
    states = heavy_ball_states(weights, lrs, wds, momentum)
    for (w, lr, wd, z), (moved, next_lr, next_wd, next_z) in pairwise(states):
        phi, size = laws.reduced_lr(np.linalg.norm(w), lr, wd), np.linalg.norm(z)
        radial, next_radial = z @ w / np.linalg.norm(w), next_z @ moved / np.linalg.norm(moved)
        predicted = laws.next_reduced_lr_with_momentum(phi, size, radial, lr, wd, next_lr, next_wd)
        measured = laws.reduced_lr(np.linalg.norm(moved), next_lr, next_wd)
        assert predicted == pytest.approx(measured, rel=ROUNDING)
        predicted = laws.next_radial_update(radial, phi, size, lr, wd, momentum)
        assert predicted == pytest.approx(next_radial, rel=ROUNDING, abs=1e-13)
        tangent = phi * np.sqrt(size**2 - radial**2) / (1 - phi * radial)
        assert np.arctan2(tangent, 1) == pytest.approx(angle_between(w, moved), rel=1e-9)
    assert momentum == 0 or max(abs(z @ w) for w, _, _, z in states) > 0.01


def test_heavy_ball_law_without_momentum_is_that_of_sgd():
    arguments = (0.05, 0.2, 0.06, 0.1)
    plain = laws.next_reduced_lr(0.3, 1.7, *arguments)
    assert laws.next_reduced_lr_with_momentum(0.3, 1.7, 0.0, *arguments) == pytest.approx(plain)
    assert laws.next_reduced_lr_with_momentum(0.3, 1.7, 0.1, *arguments) > plain
