"""Equilibria of torch's other optimizers against random walks, and the rule that picks them."""

from dataclasses import dataclass

import numpy as np
import pytest

from theory.laws import equilibrium, random_walk
from theory.laws.equilibrium import by_optimizer, fixed_size
from theory.laws.equilibrium.by_optimizer import Measured, at_rest

from .test_equilibrium_walks import assert_settles, random_weights, tangent_gradient


@dataclass
class TorchSGD:
    """The step of torch.optim.SGD; of SGDW where decay is decoupled."""

    lr: float
    wd: float
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    decoupled: bool = False
    buffer: np.ndarray | float = 0.0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights)
        gradient = gradient + (0 if self.decoupled else self.wd) * weights
        self.buffer = self.momentum * self.buffer + (1 - self.dampening) * gradient
        update = gradient + self.momentum * self.buffer if self.nesterov else self.buffer
        return (1 - self.lr * self.wd * self.decoupled) * weights - self.lr * update


@dataclass
class Normalised:
    """NAdamW and RMSprop, with the second moment at rest."""

    lr: float
    wd: float
    size: np.ndarray
    average: float = 0.0
    heavy: float = 0.0
    decoupled: bool = False
    buffer: np.ndarray | float = 0.0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights)
        rms = self.size / np.linalg.norm(weights)
        if self.decoupled:
            self.buffer = self.average * self.buffer + (1 - self.average) * gradient
            update = (self.average * self.buffer + (1 - self.average) * gradient) / rms
            return (1 - self.lr * self.wd) * weights - self.lr * update
        self.buffer = self.heavy * self.buffer + (gradient + self.wd * weights) / rms
        return weights - self.lr * self.buffer


SGD_OPTIONS = [
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "dampening": 0.4},
    {"momentum": 0.9, "decoupled": True},
    {"decoupled": True},
]


@pytest.mark.parametrize("intrinsic_lr", [0.01, 0.2])
@pytest.mark.parametrize("options", SGD_OPTIONS)
def test_sgd_with_any_option_settles(options, intrinsic_lr):
    lr, size = 0.5, 2000
    state = equilibrium.sgd_of_torch(lr, intrinsic_lr / lr, size, **options)
    walk = TorchSGD(lr, intrinsic_lr / lr, **options)
    assert_settles(state, walk, random_weights(1.1 * state.norm, size), 1.0)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_is_the_case_with_a_closed_form(momentum):
    known = equilibrium.sgd_with_momentum(0.5, 0.02, 7.0, momentum=momentum)
    found = equilibrium.sgd_of_torch(0.5, 0.02, 7.0, momentum=momentum)
    assert found.norm == pytest.approx(known.norm, rel=1e-12)
    assert found.angular_update == pytest.approx(known.angular_update, rel=1e-9)
    assert found.relaxation_steps == pytest.approx(known.relaxation_steps, rel=1e-9)


@pytest.mark.parametrize(("intrinsic_lr", "beta1"), [(0.005, 0.9), (0.05, 0.5)])
def test_nadam_with_decoupled_decay_settles(intrinsic_lr, beta1):
    lr, size = 1e-3, 4000
    state = equilibrium.nadamw(lr, intrinsic_lr / lr, size, beta1=beta1)
    walk = Normalised(lr, intrinsic_lr / lr, np.ones(size), average=beta1, decoupled=True)
    assert_settles(state, walk, random_weights(1.05 * state.norm, size), 1.0)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_rmsprop_settles(momentum):
    lr, size, loss = 1e-3, 4000, 2e-3
    norm = lr / (1 - momentum) * np.sqrt(size / (2 * loss))
    wd = lr / (1 - momentum) * size / 2 / norm**3
    state = equilibrium.rmsprop(lr, wd, size, size, momentum=momentum)
    assert state.norm == pytest.approx(norm, rel=1e-12)
    walk = Normalised(lr, wd, np.ones(size), heavy=momentum)
    assert_settles(state, walk, random_weights(1.05 * norm, size), 1.0)


def test_averages_have_the_correlations_of_their_coefficients():
    b, n = 0.8, 200
    coefficients = (1 - b) * b ** np.arange(1, n + 1)
    coefficients[0] = (1 - b) * (1 + b)
    own = np.correlate(coefficients, coefficients, "full")[n - 1 :]
    variance, first = random_walk.nesterov_average(b)
    assert (variance, first) == pytest.approx((own[0], own[1]), rel=1e-12)
    found = random_walk.average_correlations(b, nesterov=True)
    assert found[:20] == pytest.approx(own[1:21] / own[0], rel=1e-9)
    c = 0.3
    coefficients = c * (1 - b) * b ** np.arange(n)
    coefficients[0] += 1 - c
    own = np.correlate(coefficients, coefficients, "full")[n - 1 :]
    assert random_walk.nesterov_average(b, c) == pytest.approx((own[0], own[1]), rel=1e-12)


@dataclass
class Muon:
    lr: float
    wd: float
    momentum: float
    nesterov: bool
    shape: tuple[int, int]
    buffer: np.ndarray | float = 0.0
    squares: float = 0.0
    n: int = 0

    def step(self, weights, noise):
        gradient = tangent_gradient(noise, weights)
        self.buffer = self.momentum * self.buffer + (1 - self.momentum) * gradient
        update = self.buffer
        if self.nesterov:
            update = self.momentum * self.buffer + (1 - self.momentum) * gradient
        update = fixed_size.orthogonalised(update.reshape(self.shape)).ravel()
        self.squares, self.n = self.squares + update @ update, self.n + 1
        return (1 - self.lr * self.wd) * weights - self.lr * update


@pytest.mark.parametrize(
    ("shape", "momentum", "nesterov"), [((8, 64), 0.9, False), ((24, 24), 0.9, True)]
)
def test_muon_settles_and_a_square_matrix_turns_by_more_than_is_quoted(shape, momentum, nesterov):
    lr, intrinsic_lr = 0.02, 5e-3
    walk = Muon(lr, intrinsic_lr / lr, momentum, nesterov, shape)
    rng, weights = np.random.default_rng(0), random_weights(1.0, shape[0] * shape[1])
    for _ in range(200):  # the size of updates is the one number that has to be measured
        weights = walk.step(weights, rng.standard_normal(weights.size))
    options = {"momentum": momentum, "nesterov": nesterov, "shape": shape}
    state = equilibrium.muon(lr, intrinsic_lr / lr, walk.squares / walk.n, **options)
    start = random_weights(state.norm, weights.size)
    assert_settles(state, walk, start, 1.0, tolerance=0.02)
    quoted = np.sqrt(2 * intrinsic_lr * (1 - momentum) / (1 + momentum))
    if nesterov:
        assert state.angular_update > 1.1 * quoted
    else:
        assert state.angular_update == pytest.approx(quoted, rel=0.05)


def test_orthogonalised_matrices_have_singular_values_near_one():
    matrices = np.random.default_rng(0).standard_normal((3, 16, 40))
    values = np.linalg.svd(fixed_size.orthogonalised(matrices), compute_uv=False)
    assert 0.6 < values.min() < values.max() < 1.25


MEASURED = Measured(n_weights=100, mean_squared_g=4.0, sum_g=50.0, norm=2.0)


def test_the_formula_is_that_of_the_exact_class_and_its_options():
    nesterov = {"momentum": 0.9, "nesterov": True, "dampening": 0, "foreach": True}
    found = at_rest("torch.optim.SGD", 0.1, 0.01, nesterov, MEASURED)
    assert found.norm == equilibrium.sgd_of_torch(0.1, 0.01, 4.0, momentum=0.9, nesterov=True).norm
    adamw = {"betas": [0.8, 0.99], "eps": 1e-8, "amsgrad": False}
    found = at_rest("torch.optim.AdamW", 1e-3, 0.1, adamw, MEASURED)
    assert found.norm == equilibrium.adamw(1e-3, 0.1, 100, beta1=0.8, beta2=0.99).norm
    found = at_rest("lion", 1e-3, 0.1, {"betas": (0.9, 0.98)}, MEASURED)
    assert found.norm == equilibrium.lion(1e-3, 0.1, 100, beta2=0.98).norm


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("torch.optim.AdamW", {"amsgrad": True}, "with the option amsgrad = True"),
        ("torch.optim.AdamW", {"eps": 1e-2}, r"eps = 0.01 is not small .* \(root mean square 0.25"),
        ("lion", {"caution": True}, "lion with the option caution = True"),
        ("mine.AdamW", {}, "no closed form is known for mine.AdamW; if its steps"),
        ("torch.optim.RMSprop", {"centered": True}, "with the option centered = True"),
        ("torch.optim.NAdam", {}, "decoupled_weight_decay=True has one"),
    ],
)
def test_what_may_move_the_norm_elsewhere_has_no_equilibrium(name, options, reason):
    with pytest.raises(ValueError, match=reason):
        at_rest(name, 1e-3, 0.1, options, MEASURED)


def test_eps_that_is_small_against_the_gradients_is_no_reason():
    found = at_rest("torch.optim.AdamW", 1e-3, 0.1, {"eps": 1e-3}, MEASURED)  # 0.4 % of 0.25
    assert found.norm == equilibrium.adamw(1e-3, 0.1, 100).norm


def test_every_optimizer_of_torch_has_a_formula_or_a_reason():
    torch = pytest.importorskip("torch")
    kinds = {
        f"torch.optim.{name}"
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and name != "Optimizer"
    }
    assert kinds <= set(by_optimizer.KNOWN) | set(by_optimizer.REASONS)
