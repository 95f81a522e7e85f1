r"""Where norm and rotation settle when the gradients' size and noise stay the same.

Gradients are random, of constant size on the unit sphere and independent of the weights and of
each other. A step then adds noise and decay removes norm; where both are equal the norm rests.
Each formula holds at any eta lam unless its docstring gives a range. ``learning_rate`` is eta and
``weight_decay`` lam, both above 0; all functions raise ValueError for an argument out of range.

Sources: W20 = Wan et al. 2020 (arXiv 2006.08419); LLA20 = Li, Lyu, Arora 2020 (2010.02916);
K24 = Kosson et al. 2024 (2305.17212).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from theory import laws, validate
from theory.laws import random_walk

# The arcsine law sums about 37 / (1 - beta2) terms.
LARGEST_BETA2 = 0.99999


def _log_fourth_power(ratio: float) -> float:
    return float(np.log(abs(ratio**4 - 1)))


def _log_square(ratio: float) -> float:
    return float(np.log(abs(ratio**2 - 1)))


def _adam_l2_clock(ratio: float) -> float:
    """Three times the integral of ``z / (z^3 - 1)``."""
    surface = np.log(abs(ratio - 1)) - np.log(ratio**2 + ratio + 1) / 2
    return float(surface + np.sqrt(3) * np.arctan((2 * ratio + 1) / np.sqrt(3)))


@dataclass(frozen=True)
class Equilibrium:
    """A stationary state of the weight norm.

    Attributes:
        norm: weight norm.
        effective_lr: learning rate over squared norm, at that norm.
        angular_update: angle between successive weights, rad.
        relaxation_steps: steps in which a small deviation of the norm falls by a factor e.
        clock: function of ``rho / norm`` that falls by 1 in ``relaxation_steps``.
    """

    norm: float
    effective_lr: float
    angular_update: float
    relaxation_steps: float
    clock: Callable[[float], float] = field(default=_log_fourth_power, repr=False)


def sgd(learning_rate: float, weight_decay: float, mean_squared_g: float) -> Equilibrium:
    """Equilibrium of SGD with coupled decay, in its exact discrete form.

    ``rho^4 = eta p / (lam (2 - eta lam))`` with ``p = mean(g^2)``; the weights turn by
    ``1 - cos(theta) = eta lam`` a step; ``rho^4`` relaxes as ``exp(-4 eta lam t)``.

    Source: W20; LLA20; exact at any eta lam for constant g (the norm law with ``rho' = rho``).

    Args:
        learning_rate: eta.
        weight_decay: lam.
        mean_squared_g: p, mean of the squared effective gradient norm, above 0.
    """
    learning_rate, weight_decay = _decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    intrinsic_lr = learning_rate * weight_decay
    norm = (learning_rate * mean_squared_g / (weight_decay * (2 - intrinsic_lr))) ** 0.25
    return _equilibrium(learning_rate, norm, intrinsic_lr, 1 / (4 * intrinsic_lr))


def sgd_with_momentum(
    learning_rate: float, weight_decay: float, mean_squared_g: float, *, momentum: float
) -> Equilibrium:
    """Equilibrium of heavy-ball SGD with coupled decay, ``v' = m v - eta (grad + lam w)``.

    ``rho^4 = eta p / (lam (1 - m) (2 - eta lam / (1 + m)))`` and
    ``1 - cos(theta) = eta lam / (1 + m)``, the fixed point of the means of ``|w|^2``, ``|v|^2``
    and ``<w, v>``. Linearised there, the slowest mode is the root x of
    ``x^2 - (1 + m - 4 eta lam + 2 (eta lam)^2 / (1 + m)) x + m = 0`` of larger modulus, and the
    relaxation ``-1 / log|x|``: ``(1 - m) / (4 eta lam)`` for small ``eta lam / (1 - m)^2`` (4 %
    long at 0.01). From about ``eta lam = (1 - sqrt m)^2 / 4`` the roots are complex, and the norm
    oscillates about its equilibrium.

    Source: W20 (norm and rotation); relaxation derived, equal to LLA20's in the limit.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        mean_squared_g: p, mean of the squared effective gradient norm, above 0.
        momentum: m, from 0 to below 1.
    """
    learning_rate, weight_decay = _decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    momentum = validate.fraction("momentum", momentum)
    loss = learning_rate * weight_decay
    turn = loss / (1 + momentum)
    norm = (learning_rate * mean_squared_g / (weight_decay * (1 - momentum) * (2 - turn))) ** 0.25
    roots = np.roots([1.0, -(1 + momentum - 4 * loss + 2 * loss * turn), momentum])
    return _equilibrium(learning_rate, norm, turn, -1 / np.log(np.abs(roots).max()))


def adamw(
    learning_rate: float,
    weight_decay: float,
    n_weights: int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Equilibrium:
    """Equilibrium of AdamW, with decoupled decay ``a = 1 - eta lam``.

    Updates have the autocovariance ``C b1^k (1 - b1) / (1 + b1)``, hence (see ``random_walk``)
    ``rho^2 = eta^2 C (1-b1)(1 + a b1) / ((1+b1)(1 - a b1)(1 - a^2))`` and
    ``1 - cos(theta) = eta lam (1 - b1) / (1 + a b1)``; K24's ``rho = sqrt(eta C / (2 lam))`` is the
    limit of small ``eta lam / (1 - b1)`` (1 % high at 0.02, 9 % at 0.2).

    ``rho^2`` relaxes in about ``1 / (2 eta lam) + 1 / (1 - b2)`` steps, the second term because
    the second moment lags (``random_walk.lagged_relaxation``); long by about ``b1 / (1 - b1)``
    steps, so within 1 % for ``eta lam <= (1 - b1) / 200``. Valid for beta2 near 1, where the
    second moment is steady: for Gaussian gradients and beta1 = 0.9 the norm is 0.7 % high at
    beta2 = 0.98 and 1 % at 0.95. Gradient sizes may differ between weights.

    Source: K24; the discrete form and the relaxation derived.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        n_weights: C, number of weights.
        beta1: decay of the first moment, from 0 to below 1.
        beta2: decay of the second moment, from 0 to below 1.
    """
    learning_rate, weight_decay = _decaying(learning_rate, weight_decay)
    beta1, beta2 = validate.fraction("beta1", beta1), validate.fraction("beta2", beta2)
    loss = learning_rate * weight_decay
    variance = validate.at_least("n_weights", n_weights, 1) * (1 - beta1) / (1 + beta1)
    memory = random_walk.average_memory(1 - loss, beta1)
    norm, turn = random_walk.stationary_walk(learning_rate, loss, variance, memory)
    steps = random_walk.lagged_relaxation(loss, beta2, order=2)
    return _equilibrium(learning_rate, norm, turn, steps, _log_square)


def adam_l2(
    learning_rate: float,
    weight_decay: float,
    sum_g: float,
    n_weights: int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Equilibrium:
    """Equilibrium of Adam with the decay ``lam w`` added to the gradient.

    The second moment scales the decay as well: weight i shrinks by ``eta lam rho / s_i`` a step
    with ``s_i`` the root mean square of its effective gradient. From
    ``w_i^2 = eta s_i / (2 lam rho)`` follows ``rho = (eta s / (2 lam))^(1/3)``, ``s = sum s_i``,
    and with ``k = eta^2 C / (2 rho^2) = eta lam C rho / s`` the rotation is
    ``1 - cos(theta) = k (1 - b1) / (1 + b1)``. For equal s_i the norm obeys
    ``d(rho^2)/dt = eta^2 C - 2 (eta lam C / s) rho^3``: a deviation relaxes in ``1 / (3 k)`` steps,
    and more with the lag of beta2, as in ``random_walk.lagged_relaxation``.

    Mean absolute values instead of root mean squares make the norm of Gaussian gradients 7 % low.
    Valid while every ``eta lam rho / s_i`` is small (0.2 % off at
    0.01) and beta2 is near 1 (as for ``adamw``); the relaxation is that of equal s_i and
    small ``k / (1 - b1)`` (2 % long at 0.01).

    Source: K24; the relaxation derived.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        sum_g: s, sum over weights of the root mean square effective gradient, above 0.
        n_weights: C, number of weights.
        beta1: decay of the first moment, from 0 to below 1.
        beta2: decay of the second moment, from 0 to below 1.
    """
    learning_rate = validate.positive("learning_rate", learning_rate)
    weight_decay = validate.positive("weight_decay", weight_decay)
    beta1, beta2 = validate.fraction("beta1", beta1), validate.fraction("beta2", beta2)
    n_weights = validate.at_least("n_weights", n_weights, 1)
    norm = (learning_rate * validate.positive("sum_g", sum_g) / (2 * weight_decay)) ** (1 / 3)
    loss = learning_rate**2 * n_weights / (2 * norm**2)
    if loss >= 1:
        raise ValueError(f"learning_rate^2 * n_weights / (2 norm^2) must be below 1, got {loss:g}")
    steps = random_walk.lagged_relaxation(loss, beta2, order=3)
    turn = loss * (1 - beta1) / (1 + beta1)
    return _equilibrium(learning_rate, norm, turn, steps, _adam_l2_clock)


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
    learning_rate, weight_decay = _decaying(learning_rate, weight_decay)
    n_weights = validate.at_least("n_weights", n_weights, 1)
    beta1, beta2 = validate.fraction("beta1", beta1), validate.fraction("beta2", beta2)
    if beta2 > LARGEST_BETA2:
        raise ValueError(f"beta2 must be at most {LARGEST_BETA2} for lion, got {beta2}")
    loss = learning_rate * weight_decay
    memory = random_walk.sign_memory(1 - loss, beta1, beta2)
    norm, turn = random_walk.stationary_walk(learning_rate, loss, n_weights, memory)
    return _equilibrium(learning_rate, norm, turn, -1 / (2 * np.log1p(-loss)), _log_square)


def settling_steps(
    initial_norm: float, equilibrium: Equilibrium, *, tolerance: float = 0.01
) -> float:
    """Steps until the norm is within a relative tolerance of its equilibrium value.

    ``rho^4`` (SGD) or ``rho^2`` (AdamW, Lion) approaches its limit as
    ``exp(-t / relaxation_steps)``; with ``z = rho / norm`` Adam + L2 obeys
    ``dz/dt = -(z^3 - 1) / (3 z relaxation_steps)``. Valid from any distance while momentum and
    second moment forget faster than the norm moves.

    Source: W20, the closed form of the norm ODE; the others derived.
    """
    ratio = validate.positive("initial_norm", initial_norm) / equilibrium.norm
    settled = 1 + np.copysign(tolerance, ratio - 1)
    if abs(ratio - 1) <= tolerance:
        return 0.0
    return equilibrium.relaxation_steps * (equilibrium.clock(ratio) - equilibrium.clock(settled))


def _decaying(learning_rate: float, weight_decay: float) -> tuple[float, float]:
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    return learning_rate, validate.positive("weight_decay", weight_decay)


def _equilibrium(
    learning_rate: float,
    norm: float,
    turn: float,
    relaxation_steps: float,
    clock: Callable[[float], float] = _log_fourth_power,
) -> Equilibrium:
    """Collect a stationary state that turns by ``1 - cos(theta) = turn`` a step."""
    return Equilibrium(
        norm=float(norm),
        effective_lr=float(laws.effective_lr(norm, learning_rate)),
        angular_update=float(laws.stationary_angle(turn)),
        relaxation_steps=float(relaxation_steps),
        clock=clock,
    )
