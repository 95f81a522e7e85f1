r"""The random walk with decay under the adaptive optimizers, ``w' = a w - eta u``.

The updates u are random and independent of the first weights, with autocovariance ``C gamma_k``
over all weights, k steps apart. With ``a = 1 - eta lam`` and
``G = sum_{k>=1} a^(k-1) gamma_k`` the walk settles at

    rho^2 = eta^2 C (gamma_0 + 2 a G) / (1 - a^2),
    1 - cos(theta) = eta lam (gamma_0 - eta lam G) / (gamma_0 + 2 a G),

exactly at any eta lam: square the step and use ``<w, u'> = -eta C G``.

Source: Kosson et al. 2024 (arXiv 2305.17212) for small eta lam; this form derived.
"""

import numpy as np

from theory.arrays import FloatArray


def stationary_walk(
    learning_rate: float, intrinsic_lr: float, variance: float, memory: float
) -> tuple[float, float]:
    """Norm and ``1 - cos(theta)`` of the module docstring.

    Args:
        learning_rate: eta.
        intrinsic_lr: eta lam.
        variance: ``C gamma_0``, mean squared norm of an update before the learning rate.
        memory: ``G / gamma_0``.
    """
    shrink = 1 - intrinsic_lr
    correlated = 1 + 2 * shrink * memory
    norm = learning_rate * np.sqrt(variance * correlated / (intrinsic_lr * (1 + shrink)))
    return float(norm), intrinsic_lr * (1 - intrinsic_lr * memory) / correlated


def sign_memory(shrink: float, beta1: float, beta2: float) -> float:
    """``G`` of Lion's signs, ``gamma_k = (2/pi) arcsin(c b2^(k-1))``, to float64 rounding.

    ``c = b1 (1-b2) (1 - b1 + b1 b2 / (1+b2)) / r``, ``r = (1-b1)^2 + b1^2 (1-b2) / (1+b2)``, the
    correlation of ``b1 m + (1-b1) g`` with itself a step later, for white Gaussian g.
    """
    spread = (1 - beta2) / (1 + beta2)
    r = (1 - beta1) ** 2 + beta1**2 * spread
    correlation = beta1 * ((1 - beta1) * (1 - beta2) + beta1 * beta2 * spread) / r
    n_terms = 1 if beta2 == 0 else int(np.ceil(-37 / np.log(beta2))) + 1
    k = np.arange(n_terms)
    return float(np.sum(shrink**k * np.arcsin(correlation * beta2**k)) * 2 / np.pi)


def lagged_relaxation(loss: float, beta2: float, *, order: int) -> float:
    """Steps in which a norm that loses ``loss`` a step relaxes, when the second moment lags.

    x and y, the deviations of ``rho^2`` and of the second moment, obey with ``B = 1 - b2``

        dx/dt = -4 k x - (4 - n) k y,   dy/dt = -B (x + y),

    ``k`` the loss and ``n`` the order: 2 where decay is decoupled, 3 where the second moment
    divides it as well. The slower root of ``r^2 - (4 k + B) r + n k B = 0``, inverted and written
    without cancellation; ``1 / (n k)`` for a second moment that follows at once.
    """
    follow = 1 - beta2
    total, product = 4 * loss + follow, order * loss * follow
    return float((total + np.sqrt(total**2 - 4 * product)) / (2 * product))


def nesterov_average(beta1: float, ahead: float | None = None) -> tuple[float, float]:
    """Variance and first autocovariance of ``c m' + (1 - c) g`` for white g of variance 1.

    With ``m' = b m + (1 - b) g`` its coefficients are ``1 - c b``, then ``c (1 - b) b^k``; later
    autocovariances fall by b each.

    Args:
        beta1: b.
        ahead: c; b by default, 1 for the average m' itself.
    """
    c = beta1 if ahead is None else ahead
    now, past = 1 - c * beta1, c * (1 - beta1)
    tail = past**2 * beta1**2 / (1 - beta1**2)
    return now**2 + tail, beta1 * (now * past + tail)


def average_correlations(beta1: float, *, nesterov: bool) -> FloatArray:
    """Correlations, one step apart and more, of an average of white noise, until they vanish."""
    n_terms = 1 if beta1 == 0 else int(np.ceil(-20 / np.log(beta1))) + 1
    powers = beta1 ** np.arange(n_terms)
    if not nesterov:
        return np.asarray(beta1 * powers)
    variance, first = nesterov_average(beta1)
    return np.asarray(first / variance * powers)
