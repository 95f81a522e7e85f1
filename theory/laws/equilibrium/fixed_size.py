"""Updates of a fixed size: Lion's signs and Muon's orthogonal matrices."""

from collections.abc import Sequence

import numpy as np

from theory import validate
from theory.arrays import FloatArray
from theory.laws import random_walk
from theory.laws.equilibrium.rest import Equilibrium, at, decaying, log_square

# The arcsine law sums about 37 / (1 - beta2) terms.
LARGEST_BETA2 = 0.99999


def lion(
    learning_rate: float,
    weight_decay: float,
    n_weights: int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.99,
) -> Equilibrium:
    """Equilibrium of Lion, ``w' = a w - eta sign(b1 m + (1 - b1) grad)``.

    For Gaussian gradients the signs have the correlation ``(2/pi) arcsin(c b2^(k-1))``; norm and
    rotation follow as in ``random_walk``. K24's ``rho = sqrt(eta C / (pi lam r))``,
    ``r = (1-b1)^2 + b1^2 (1-b2)/(1+b2)``, replaces the arcsine by its argument and needs
    ``eta lam`` far below ``1 - b2``: at betas (0.9, 0.99) it is 0.7 % low for small ``eta lam`` and
    8 % high at ``eta lam = 2e-3``; at (0.5, 0.9) 7 % low, at (0.95, 0.98) 3 % low.

    ``rho^2`` relaxes as ``a^(2t)``, since signs do not depend on the size of the gradient; the
    momentum does, which makes this long by a relative 1 to 1.5 times ``eta lam / (1 - b2)``
    (measured up to 0.08): within 1 % below ``(1 - b2) / 200``.

    Source: K24; the arcsine law and the relaxation derived.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        n_weights: C, number of weights.
        beta1: weight of the momentum in the update, from 0 to below 1.
        beta2: decay of the momentum, from 0 to 0.99999.
    """
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    n_weights = validate.at_least("n_weights", n_weights, 1)
    beta1, beta2 = validate.fraction("beta1", beta1), validate.fraction("beta2", beta2)
    if beta2 > LARGEST_BETA2:
        raise ValueError(f"beta2 must be at most {LARGEST_BETA2} for lion, got {beta2}")
    loss = learning_rate * weight_decay
    memory = random_walk.sign_memory(1 - loss, beta1, beta2)
    norm, turn = random_walk.stationary_walk(learning_rate, loss, n_weights, memory)
    return at(learning_rate, norm, turn, -1 / (2 * np.log1p(-loss)), log_square)


def muon(
    learning_rate: float,
    weight_decay: float,
    mean_squared_update: float,
    *,
    momentum: float = 0.95,
    nesterov: bool = True,
    shape: tuple[int, int] = (64, 64),
) -> Equilibrium:
    """Equilibrium of Muon, ``w' = a w - eta O(u)``: O makes a momentum orthogonal.

    ``O(u)`` has about the same size in every step, whatever the gradient's, so the walk is that of
    ``random_walk`` with the correlations of ``O``. For Gaussian gradients those follow from the
    correlations of u by a function of the matrix's shape alone (``orthogonal_correlation``):
    nearly their own for long matrices, less for square ones. If they were equal,
    ``1 - cos(theta)`` without Nesterov's momentum would be ``eta lam (1 - m) / (1 + m)`` for small
    eta lam, the rotation that is often quoted; a square matrix turns by more.

    Source: derived; the quoted rotation after Kosson et al. 2024 (arXiv 2305.17212).

    Args:
        learning_rate: eta.
        weight_decay: lam, decoupled.
        mean_squared_update: mean of ``|O|^2`` over all weights, with every factor that a matrix's
            shape puts on its rate; for Gaussian gradients about 0.7 to 1 times the shorter side of
            each matrix.
        momentum: m, weight of the past in the average of gradients.
        nesterov: whether the update looks ahead, as by default.
        shape: of the matrices, or of the one with the most weights.
    """
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_update", mean_squared_update)
    momentum = validate.fraction("momentum", momentum)
    loss = learning_rate * weight_decay
    correlations = random_walk.average_correlations(momentum, nesterov=nesterov)
    felt = orthogonal_correlation(correlations, shape)
    memory = float(np.sum((1 - loss) ** np.arange(len(felt)) * felt))
    norm, turn = random_walk.stationary_walk(learning_rate, loss, mean_squared_update, memory)
    return at(learning_rate, norm, turn, -1 / (2 * np.log1p(-loss)), log_square)


def orthogonal_correlation(
    correlations: FloatArray, shape: tuple[int, int], *, n_samples: int = 24
) -> FloatArray:
    """Correlations of orthogonalised Gaussian matrices, from those of the matrices.

    By sampling, at a fixed seed, with matrices of the same proportions and at most 64 long.

    Args:
        correlations: from 0 to 1.
        shape: of the matrix.
        n_samples: pairs of matrices; 24 know a correlation to about 0.003.
    """
    rng = np.random.default_rng(0)
    rows, columns = sorted(shape)
    size = (max(1, round(rows * min(1, 64 / columns))), min(columns, 64))
    first, second = rng.standard_normal((2, n_samples, *size))
    nodes = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.98, 1.0])
    start = orthogonalised(first)
    values = []
    for c in nodes:
        other = orthogonalised(c * first + np.sqrt(1 - c**2) * second)
        scale = np.sqrt(np.sum(start**2) * np.sum(other**2))
        values.append(np.sum(start * other) / scale if c else 0.0)
    return np.asarray(np.interp(correlations, nodes, values))


def orthogonalised(
    matrices: FloatArray,
    coefficients: Sequence[float] = (3.4445, -4.775, 2.0315),
    n_steps: int = 5,
) -> FloatArray:
    """Muon's Newton-Schulz iteration, which brings singular values to 0.7 .. 1.2.

    Source: Jordan et al. 2024, Muon; torch.optim.Muon.

    Args:
        matrices: (..., n_rows, n_columns) with no more rows than columns.
        coefficients: of the odd polynomial ``a s + b s^3 + c s^5``.
        n_steps: iterations.
    """
    a, b, c = coefficients
    x = matrices / np.linalg.norm(matrices, axis=(-2, -1), keepdims=True)
    for _ in range(n_steps):
        square = x @ np.swapaxes(x, -1, -2)
        x = a * x + (b * square + c * square @ square) @ x
    return np.asarray(x)
