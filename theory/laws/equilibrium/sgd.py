"""SGD with coupled and with decoupled decay, with every kind of momentum that torch has."""

import numpy as np

from theory import validate
from theory.laws.equilibrium.rest import Equilibrium, at, decaying


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
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    intrinsic_lr = learning_rate * weight_decay
    norm = (learning_rate * mean_squared_g / (weight_decay * (2 - intrinsic_lr))) ** 0.25
    return at(learning_rate, norm, intrinsic_lr, 1 / (4 * intrinsic_lr))


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
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    momentum = validate.fraction("momentum", momentum)
    loss = learning_rate * weight_decay
    turn = loss / (1 + momentum)
    norm = (learning_rate * mean_squared_g / (weight_decay * (1 - momentum) * (2 - turn))) ** 0.25
    roots = np.roots([1.0, -(1 + momentum - 4 * loss + 2 * loss * turn), momentum])
    return at(learning_rate, norm, turn, -1 / np.log(np.abs(roots).max()))


def sgd_of_torch(
    learning_rate: float,
    weight_decay: float,
    mean_squared_g: float,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    decoupled: bool = False,
) -> Equilibrium:
    """Equilibrium of SGD with any of torch's options, or with decoupled decay (SGDW).

    With the buffer ``b' = m b + (1 - tau)(grad + lam w)`` the step is ``w' = w - eta b'``, or
    ``w' = w - eta (grad + lam w + m b')`` with Nesterov's momentum; decoupled decay leaves
    ``lam w`` out of both and shrinks w by ``1 - eta lam``. For gradients orthogonal to w and b,
    ``|w|^2``, ``<w, b>`` and ``|b|^2`` obey a linear recursion in their means, driven by
    ``q = p / |w|^2``. Its fixed point gives ``q / |w|^2``, hence the norm, and with it the
    rotation; its slowest mode, with q varying, the relaxation. Exact at any eta lam; equal to
    ``sgd_with_momentum`` for heavy-ball momentum.

    Source: Wan et al. 2020 (arXiv 2006.08419) for heavy-ball momentum; the others derived.

    Args:
        learning_rate: eta.
        weight_decay: lam.
        mean_squared_g: p, mean of the squared effective gradient norm, above 0.
        momentum: m, from 0 to below 1.
        dampening: tau, from 0 to below 1; without momentum torch does not use it.
        nesterov: whether the gradient is looked up ahead; torch wants ``dampening = 0`` with it.
        decoupled: whether decay acts on the weights alone.
    """
    learning_rate, weight_decay = decaying(learning_rate, weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    m = validate.fraction("momentum", momentum)
    tau = validate.fraction("dampening", dampening) if m else 0.0
    lam = 0.0 if decoupled else weight_decay
    drive = 1 - tau  # of the gradient in b
    alpha, beta, gamma = drive, m, drive * lam  # the step, eta (alpha grad + beta b + gamma w)
    if nesterov:
        alpha, beta, gamma = 1 + m * drive, m**2, (1 + m * drive) * lam
    keep = 1 - learning_rate * (weight_decay if decoupled else gamma)
    step = learning_rate * beta
    # means of (|w|^2, <w, b>, |b|^2), and what the squared gradient q adds to each
    means = np.array(
        [
            [keep**2, -2 * keep * step, step**2],
            [keep * drive * lam, keep * m - step * drive * lam, -step * m],
            [(drive * lam) ** 2, 2 * m * drive * lam, m**2],
        ]
    )
    noise = np.array([(learning_rate * alpha) ** 2, -learning_rate * alpha * drive, drive**2])
    # at rest (1 - means) x = noise q with x = (1, x1, x2) |w|^2
    x = np.linalg.solve(np.eye(3) - means, noise)
    norm = (mean_squared_g * x[0]) ** 0.25  # |w|^2 = x[0] q = x[0] p / |w|^2
    turn = 1 - keep + step * x[1] / x[0]
    slopes = means - np.outer(noise, [1 / x[0], 0, 0])  # dq = -q d|w|^2 / |w|^2
    slowest = np.abs(np.linalg.eigvals(slopes)).max()
    return at(learning_rate, norm, turn, -1 / np.log(slowest))
