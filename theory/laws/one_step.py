r"""Exact laws of one SGD step on a scale-invariant loss.

The step is ``w' = (1 - eta lam) w - eta grad f(w)`` with ``f(c w) = f(w)`` for all ``c > 0``.
Nothing here is fitted or approximated: a network that breaks one of these laws is not
scale-invariant, or was not measured correctly.

Symbols in the equations and the names they have in code and data:

    eta, lam     learning_rate, weight_decay
    a            1 - eta lam, the factor by which decay shrinks the weights
    rho          weight_norm, |w|
    elr          effective_lr, eta / rho^2
    g            effective_grad_norm, rho |grad f(w)|
    phi          reduced_lr, elr / a
    theta        angular_update, the angle between w and w'
    delta        a jump's size, 1 - cos(theta)

All functions act element by element on floats or float64 arrays.

Sources: L21 = Lobacheva et al. 2021 (arXiv 2106.15739); L22 = Li et al. 2022 (2202.00980);
LA19 = Li & Arora 2019 (1910.07454); A26 = Amin et al. 2026 (2609.09116).
"""

import numpy as np

from theory.arrays import BoolArray, FloatArray, Real


def radial_gradient(gradient: FloatArray, weights: FloatArray) -> float:
    """Cosine between gradient and weights: 0 for a scale-invariant loss (Euler's identity).

    ``<grad f(w), w> = 0``, from which ``grad f(c w) = grad f(w) / c``.

    Source: L21, section 2.

    Args:
        gradient: gradient of the loss at the weights, any shape.
        weights: the weights, same shape.
    """
    scale = np.linalg.norm(gradient) * np.linalg.norm(weights)
    return float(np.vdot(gradient, weights) / scale)


def effective_lr(weight_norm: Real, learning_rate: Real) -> Real:
    """Effective learning rate, ``elr = eta / rho^2``."""
    return learning_rate / weight_norm**2


def reduced_lr(weight_norm: Real, learning_rate: Real, weight_decay: Real) -> Real:
    """Effective learning rate of the shrunk weights, ``phi = elr / a``."""
    return effective_lr(weight_norm, learning_rate) / (1 - learning_rate * weight_decay)


def next_weight_norm(
    weight_norm: Real, effective_grad_norm: Real, learning_rate: Real, weight_decay: Real
) -> Real:
    """Weight norm after one step, ``rho'^2 = a^2 rho^2 + eta^2 g^2 / rho^2``.

    Source: L21; A26.
    """
    shrunk = (1 - learning_rate * weight_decay) * weight_norm
    step = learning_rate * effective_grad_norm / weight_norm
    return np.hypot(shrunk, step)


def next_reduced_lr(
    reduced_lr: Real,
    effective_grad_norm: Real,
    learning_rate: Real,
    weight_decay: Real,
    next_learning_rate: Real,
    next_weight_decay: Real,
) -> Real:
    """Reduced learning rate after one step, for any schedule of rate and decay.

    ``phi' = B phi / (1 + phi^2 g^2)`` with ``B = (eta'/eta) / (a a')``.

    Source: A26, theorem 2.1.
    """
    shrink = 1 - learning_rate * weight_decay
    next_shrink = 1 - next_learning_rate * next_weight_decay
    growth = next_learning_rate / learning_rate / (shrink * next_shrink)
    return growth * reduced_lr / (1 + (reduced_lr * effective_grad_norm) ** 2)


def angular_update(
    weight_norm: Real, effective_grad_norm: Real, learning_rate: Real, weight_decay: Real
) -> Real:
    """Angle in rad between successive weights, ``tan(theta) = phi g``.

    Source: L21.
    """
    phi = reduced_lr(weight_norm, learning_rate, weight_decay)
    return np.arctan(phi * effective_grad_norm)


def jump_constant(delta: Real) -> Real:
    """Tangent of the smallest angle that is a delta-jump, ``kappa(delta)``.

    A step with ``1 - cos(theta) > delta`` happens exactly when ``elr g > a kappa(delta)``, with
    ``kappa = sqrt(1 / (1 - delta)^2 - 1)``; written here without cancellation.

    Source: L21.
    """
    return np.sqrt(delta * (2 - delta)) / (1 - delta)


def is_delta_jump(
    weight_norm: Real,
    effective_grad_norm: Real,
    learning_rate: Real,
    weight_decay: Real,
    delta: Real,
) -> BoolArray:
    """Whether a step turns the weights by more than ``1 - cos(theta) = delta``.

    Source: L21.
    """
    elr = effective_lr(weight_norm, learning_rate)
    threshold = (1 - learning_rate * weight_decay) * jump_constant(delta)
    return np.asarray(elr * effective_grad_norm > threshold)


def stationary_angle(intrinsic_lr: Real) -> Real:
    """Angle in rad at which the norm neither grows nor shrinks: ``1 - cos(theta) = eta lam``.

    A larger angle makes the norm grow, a smaller one lets it decay.

    Source: the norm law with ``rho' = rho``.
    """
    return 2 * np.arcsin(np.sqrt(intrinsic_lr / 2))


def log_balance_ratio(
    reduced_lr: FloatArray, effective_grad_norm: FloatArray, intrinsic_lr: float
) -> float:
    """Growth of the log norm by gradients over its loss by decay; 1 on a closed stretch.

    Over any stretch where the norm returns to its start,
    ``mean log(1 + phi^2 g^2) = -2 log(1 - eta lam)``, for periods and for equilibrium alike.

    Source: A26, summed over the stretch.

    Args:
        reduced_lr: phi before each step, (n_steps,).
        effective_grad_norm: g of each step, (n_steps,).
        intrinsic_lr: eta lam, constant over the stretch, above 0.
    """
    growth = np.log1p((reduced_lr * effective_grad_norm) ** 2).mean()
    return float(growth / (-2 * np.log1p(-intrinsic_lr)))


def decay_rate(intrinsic_lr: float) -> float:
    """Rise of ``ln(elr)`` in a step without gradient, ``r = -2 ln(1 - eta lam)``."""
    return float(-2 * np.log1p(-intrinsic_lr))
