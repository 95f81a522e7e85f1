"""Equilibria held against random walks: gradients random, tangent, independent of the weights."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest

from theory.laws import equilibrium

PERCENT = 0.01


def tangent_gradient(noise, weights):
    """Gradient of a scale-invariant loss with this noise on the unit sphere."""
    squared_norm = weights @ weights
    return (noise - weights * (noise @ weights / squared_norm)) / np.sqrt(squared_norm)


@dataclass
class HeavyBall:
    lr: float
    wd: float
    momentum: float
    velocity: np.ndarray | float = 0.0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights) + self.wd * weights
        self.velocity = self.momentum * self.velocity - self.lr * gradient
        return weights + self.velocity


@dataclass
class Adam:
    lr: float
    wd: float
    beta1: float
    beta2: float
    second: np.ndarray
    decoupled: bool
    first: np.ndarray | float = 0.0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights)
        if not self.decoupled:
            gradient = gradient + self.wd * weights
        self.first = self.beta1 * self.first + (1 - self.beta1) * gradient
        self.second = self.beta2 * self.second + (1 - self.beta2) * gradient**2
        shrink = 1 - self.lr * self.wd * self.decoupled
        return shrink * weights - self.lr * self.first / np.sqrt(self.second)


@dataclass
class Lion:
    lr: float
    wd: float
    beta1: float
    beta2: float
    first: np.ndarray | float = 0.0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights)
        update = np.sign(self.beta1 * self.first + (1 - self.beta1) * gradient)
        self.first = self.beta2 * self.first + (1 - self.beta2) * gradient
        return (1 - self.lr * self.wd) * weights - self.lr * update


def settled(walk, weights, sizes, *, burn_in, n_steps, seed=0):
    """Norm and rotation of the walk after burn-in, root mean squares."""
    rng = np.random.default_rng(seed)
    squares, cosines = [], []
    for step in range(burn_in + n_steps):
        moved = walk.step(weights, rng.standard_normal(weights.size) * sizes)
        if step >= burn_in:
            squares.append(moved @ moved)
            cosines.append(moved @ weights / np.sqrt(squares[-1] * (weights @ weights)))
        weights = moved
    return np.sqrt(np.mean(squares)), np.sqrt(2 * (1 - np.mean(cosines)))


def random_weights(norm, size, sizes=1.0):
    weights = np.random.default_rng(1).standard_normal(size) * sizes
    return weights * norm / np.linalg.norm(weights)


def assert_settles(state, walk, weights, sizes, *, tolerance=PERCENT):
    n_steps = int(8 * state.relaxation_steps) + 200
    norm, angle = settled(walk, weights, sizes, burn_in=n_steps // 2, n_steps=n_steps)
    assert norm == pytest.approx(state.norm, rel=tolerance)
    turn = 4 * np.sin(state.angular_update / 2) ** 2
    assert angle == pytest.approx(np.sqrt(turn), rel=tolerance)


@pytest.mark.parametrize(
    ("momentum", "intrinsic_lr"),
    [(0.0, 0.01), (0.0, 0.3), (0.5, 0.01), (0.9, 5e-4), (0.9, 0.01), (0.9, 0.3)],
)
def test_sgd_with_momentum_settles(momentum, intrinsic_lr):
    lr, size = 0.5, 2000
    state = equilibrium.sgd_with_momentum(lr, intrinsic_lr / lr, size, momentum=momentum)
    walk = HeavyBall(lr, intrinsic_lr / lr, momentum)
    assert_settles(state, walk, random_weights(1.1 * state.norm, size), 1.0)


def test_sgd_is_the_case_without_momentum():
    plain = equilibrium.sgd(0.5, 1e-3, 4.0)
    state = equilibrium.sgd_with_momentum(0.5, 1e-3, 4.0, momentum=0.0)
    assert state.norm == pytest.approx(plain.norm, rel=1e-15)
    assert state.angular_update == pytest.approx(plain.angular_update, rel=1e-15)
    assert state.relaxation_steps == pytest.approx(-1 / np.log(1 - 4 * 5e-4 + 2 * 5e-4**2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("intrinsic_lr", "beta1", "beta2"),
    [(2e-3, 0.9, 0.999), (5e-3, 0.9, 0.98), (0.02, 0.95, 0.999), (0.2, 0.5, 0.999)],
)
def test_adamw_settles_with_gradients_of_any_spread(intrinsic_lr, beta1, beta2):
    lr, size = 1e-3, 4000
    sizes = np.exp(np.random.default_rng(2).standard_normal(size))
    state = equilibrium.adamw(lr, intrinsic_lr / lr, size, beta1=beta1, beta2=beta2)
    second = (sizes / state.norm) ** 2
    walk = Adam(lr, intrinsic_lr / lr, beta1, beta2, second, decoupled=True)
    assert_settles(state, walk, random_weights(1.05 * state.norm, size), sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "beta1", "spread"), [(2e-3, 0.9, 0.0), (0.01, 0.95, 0.0), (4e-3, 0.5, 0.5)]
)
def test_adam_with_l2_settles(loss, beta1, spread):
    lr, size, beta2 = 1e-3, 4000, 0.998
    sizes = np.exp(spread * np.random.default_rng(2).standard_normal(size))
    wd = lr * sizes.sum() / 2 / (lr * np.sqrt(size / (2 * loss))) ** 3
    state = equilibrium.adam_l2(lr, wd, sizes.sum(), size, beta1=beta1, beta2=beta2)
    walk = Adam(lr, wd, beta1, beta2, (sizes / state.norm) ** 2, decoupled=False)
    weights = random_weights(1.05 * state.norm, size, np.sqrt(sizes))
    assert_settles(state, walk, weights, sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("intrinsic_lr", "beta1", "beta2"),
    [(2e-3, 0.9, 0.99), (2e-3, 0.95, 0.98), (5e-3, 0.5, 0.9), (0.01, 0.9, 0.0), (0.2, 0.5, 0.9)],
)
def test_lion_settles(intrinsic_lr, beta1, beta2):
    lr, size = 1e-3, 4000
    state = equilibrium.lion(lr, intrinsic_lr / lr, size, beta1=beta1, beta2=beta2)
    walk = Lion(lr, intrinsic_lr / lr, beta1, beta2)
    assert_settles(state, walk, random_weights(1.05 * state.norm, size), 1.0)


def test_published_forms_are_the_limits_of_small_decay():
    lr, wd, size, beta1, beta2 = 1e-3, 1e-4, 10_000, 0.9, 0.99
    state = equilibrium.adamw(lr, wd, size, beta1=beta1)
    assert state.norm == pytest.approx(np.sqrt(lr * size / (2 * wd)), rel=1e-5)
    rotation = np.sqrt(2 * lr * wd * (1 - beta1) / (1 + beta1))
    assert state.angular_update == pytest.approx(rotation, rel=1e-5)
    state = equilibrium.adam_l2(lr, wd, 300.0, size, beta1=beta1)
    assert state.norm == pytest.approx((lr * 300.0 / (2 * wd)) ** (1 / 3), rel=1e-14)
    rotation = (2 * lr**2 * wd / 300.0) ** (1 / 3) * np.sqrt(size * (1 - beta1) / (1 + beta1))
    assert state.angular_update == pytest.approx(rotation, rel=1e-4)
    state = equilibrium.lion(lr, wd, size, beta1=beta1, beta2=beta2)
    r = (1 - beta1) ** 2 + beta1**2 * (1 - beta2) / (1 + beta2)
    assert state.norm == pytest.approx(np.sqrt(lr * size / (np.pi * wd * r)), rel=0.01)
    assert state.angular_update == pytest.approx(np.sqrt(np.pi * lr * wd * r), rel=0.01)


SIZE = 10_000  # the longest vectors that BLAS keeps on one thread


def gap_of_twins(walk, state, stretch, seed):
    """Gap in squared norm of two walks with the same noise, one stretched at the start."""
    rng = np.random.default_rng(seed)
    weights = random_weights(state.norm, SIZE)
    for _ in range(int(2 * state.relaxation_steps) + 50):
        weights = walk.step(weights, rng.standard_normal(SIZE))
    walks, pair, gaps = [walk, deepcopy(walk)], [weights, (1 + stretch) * weights], []
    for _ in range(int(4 * state.relaxation_steps)):
        noise = rng.standard_normal(SIZE)
        pair = [twin.step(w, noise) for twin, w in zip(walks, pair, strict=True)]
        gaps.append(pair[1] @ pair[1] - pair[0] @ pair[0])
    return np.array(gaps)


def measured_relaxation(walk, state, *, stretch=2e-3, n_pairs=1):
    """Steps in which the mean gap of twins falls by a factor e."""
    gaps = np.mean(
        [gap_of_twins(deepcopy(walk), state, stretch, seed) for seed in range(n_pairs)], axis=0
    )
    late = np.arange(len(gaps) // 2, len(gaps))
    return -1 / np.polyfit(late, np.log(gaps)[late], 1)[0]


@pytest.mark.parametrize(("momentum", "intrinsic_lr"), [(0.0, 2e-3), (0.5, 2e-3), (0.9, 2e-4)])
def test_sgd_with_momentum_relaxes(momentum, intrinsic_lr):
    state = equilibrium.sgd_with_momentum(0.5, 2 * intrinsic_lr, SIZE, momentum=momentum)
    walk = HeavyBall(0.5, 2 * intrinsic_lr, momentum)
    measured = measured_relaxation(walk, state)
    assert measured == pytest.approx(state.relaxation_steps, rel=PERCENT)


def test_strong_momentum_swings_under_its_envelope():
    state = equilibrium.sgd_with_momentum(0.5, 0.02, 1.0, momentum=0.9)
    assert state.relaxation_steps == pytest.approx(-2 / np.log(0.9), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("decoupled", "beta1"), [(True, 0.5), (False, 0.5), (False, 0.0)])
def test_adam_relaxes_with_the_lag_of_its_second_moment(decoupled, beta1):
    lr, loss, beta2 = 1e-3, 2e-3, 0.99
    if decoupled:
        wd = loss / lr
        state = equilibrium.adamw(lr, wd, SIZE, beta1=beta1, beta2=beta2)
    else:
        wd = lr * SIZE / 2 / (lr * np.sqrt(SIZE / (2 * loss))) ** 3
        state = equilibrium.adam_l2(lr, wd, SIZE, SIZE, beta1=beta1, beta2=beta2)
    second = np.full(SIZE, state.norm**-2)
    walk = Adam(lr, wd, beta1, beta2, second, decoupled)
    measured = measured_relaxation(walk, state, n_pairs=6)
    assert measured == pytest.approx(state.relaxation_steps, rel=PERCENT)


@pytest.mark.slow
def test_lion_relaxes():
    state = equilibrium.lion(1e-3, 1.0, SIZE, beta1=0.9, beta2=0.8)
    walk = Lion(1e-3, 1.0, 0.9, 0.8)
    measured = measured_relaxation(walk, state, stretch=2.0, n_pairs=2)  # linear in the square
    assert measured == pytest.approx(state.relaxation_steps, rel=PERCENT)
