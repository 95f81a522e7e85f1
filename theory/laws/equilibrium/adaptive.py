"""The adaptive optimizers: Adam with both kinds of decay, its relatives, and RMSprop."""

import math

from theory import validate
from theory.laws import random_walk
from theory.laws.equilibrium.rest import Equilibrium, at, cubic_clock, decaying, log_square


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
    return _decoupled(learning_rate, weight_decay, n_weights, beta1, beta2, ahead=1.0)


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
    return at(learning_rate, norm, turn, steps, cubic_clock)


def nadamw(
    learning_rate: float,
    weight_decay: float,
    n_weights: int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    momentum_decay: float = 0.004,
    after_steps: float = math.inf,
) -> Equilibrium:
    """Equilibrium of NAdam with decoupled decay: AdamW that looks one step ahead.

    Updates are ``c m' + (1 - c) grad`` over the root of the second moment, whose correlations
    ``random_walk.nesterov_average`` gives, with ``c = b1 (1 - 0.96^(psi t) / 2)``: it nears beta1
    over about ``25 / psi`` steps, and the rotation with it. This is the state at its present value.

    Source: Dozat 2016, as in torch.optim.NAdam; the equilibrium derived as for ``adamw``.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        n_weights: C, number of weights.
        beta1: decay of the first moment, from 0 to below 1.
        beta2: decay of the second moment, from 0 to below 1.
        momentum_decay: psi.
        after_steps: t, steps since the start.
    """
    ahead = beta1 * (1 - 0.5 * 0.96 ** (momentum_decay * after_steps))
    return _decoupled(learning_rate, weight_decay, n_weights, beta1, beta2, ahead=ahead)


def rmsprop(
    learning_rate: float,
    weight_decay: float,
    sum_g: float,
    n_weights: int,
    *,
    alpha: float = 0.99,
    momentum: float = 0.0,
) -> Equilibrium:
    """Equilibrium of RMSprop, whose decay ``lam w`` is part of the gradient.

    Adam + L2 without a first moment, at the rate ``eta / (1 - m)`` of a heavy ball:
    ``rho = (eta s / (2 lam (1 - m)))^(1/3)``; a step turns by
    ``1 - cos(theta) = eta^2 C / (2 rho^2 (1 - m^2))``.

    Source: Kosson et al. 2024 (arXiv 2305.17212) for Adam; the momentum derived.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        sum_g: s, sum over weights of the root mean square effective gradient, above 0.
        n_weights: C, number of weights.
        alpha: decay of the second moment, from 0 to below 1.
        momentum: m, from 0 to below 1.
    """
    momentum = validate.fraction("momentum", momentum)
    rate = validate.positive("learning_rate", learning_rate) / (1 - momentum)
    rest = adam_l2(rate, weight_decay, sum_g, n_weights, beta1=0.0, beta2=alpha)
    turn = learning_rate**2 * n_weights / (2 * rest.norm**2 * (1 - momentum**2))
    return at(learning_rate, rest.norm, turn, rest.relaxation_steps, cubic_clock)


def _decoupled(
    learning_rate: float,
    weight_decay: float,
    n_weights: int,
    beta1: float,
    beta2: float,
    *,
    ahead: float,
) -> Equilibrium:
    """Decoupled decay and updates ``c m' + (1 - c) grad`` over the root of the second moment.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        n_weights: C.
        beta1: decay of the first moment m.
        beta2: decay of the second moment.
        ahead: c; 1 for AdamW.
    """
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    beta1, beta2 = validate.fraction("beta1", beta1), validate.fraction("beta2", beta2)
    loss = learning_rate * weight_decay
    variance, first = random_walk.nesterov_average(beta1, ahead)
    memory = first / variance / (1 - (1 - loss) * beta1)
    size = validate.at_least("n_weights", n_weights, 1) * variance
    norm, turn = random_walk.stationary_walk(learning_rate, loss, size, memory)
    steps = random_walk.lagged_relaxation(loss, beta2, order=2)
    return at(learning_rate, norm, turn, steps, log_square)
