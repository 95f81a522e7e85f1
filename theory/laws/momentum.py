r"""Exact laws of a heavy-ball step on a scale-invariant loss; symbols are those of ``one_step``.

Sources: A26 = Amin et al. 2026 (arXiv 2609.09116); LA19 = Li & Arora 2019 (1910.07454).
"""

import numpy as np

from theory.arrays import Real


def next_reduced_lr_with_momentum(
    reduced_lr: Real,
    effective_update_norm: Real,
    radial_update: Real,
    learning_rate: Real,
    weight_decay: Real,
    next_learning_rate: Real,
    next_weight_decay: Real,
) -> Real:
    """Reduced learning rate after one heavy-ball step, for any schedule of rate and decay.

    With ``b' = m b + grad f(w) + lam w`` and ``w' = w - eta b'``, let ``u = w / rho`` and
    ``z = rho (m b + grad f(w))``, so that ``w' = a rho (u - phi z)``. Then, with ``c = <u, z>``,

        phi' = B phi / (1 - 2 phi c + phi^2 |z|^2),   B = (eta'/eta) / (a a'),

    and the weights turn by ``tan(theta) = phi sqrt(|z|^2 - c^2) / (1 - phi c)``. A positive c,
    momentum along the weights, pumps the effective learning rate up; without momentum z is
    ``rho grad f(w)``, c is 0 and the law is that of plain SGD.

    Source: A26.

    Args:
        reduced_lr: phi before the step.
        effective_update_norm: |z|.
        radial_update: c, which is ``m <w, b>`` (see ``next_radial_update``).
        learning_rate: eta of this step.
        weight_decay: lam of this step.
        next_learning_rate: eta of the next step.
        next_weight_decay: lam of the next step.
    """
    shrink = 1 - learning_rate * weight_decay
    next_shrink = 1 - next_learning_rate * next_weight_decay
    growth = next_learning_rate / learning_rate / (shrink * next_shrink)
    # |u - phi z|^2, radial and tangential part apart: no cancellation near phi c = 1
    radial = 1 - reduced_lr * radial_update
    tangential = reduced_lr**2 * (effective_update_norm**2 - radial_update**2)
    return growth * reduced_lr / (radial**2 + tangential)


def next_radial_update(
    radial_update: Real,
    reduced_lr: Real,
    effective_update_norm: Real,
    learning_rate: Real,
    weight_decay: Real,
    momentum: Real,
) -> Real:
    """Radial part of the next heavy-ball step, ``c' = m <w', b'>``; 0 at the first step.

    ``c' = m [(1 - 2 eta lam) c + eta lam / phi - (1 - eta lam) phi |z|^2]``: decay feeds it,
    turning takes from it. With the law of phi it closes the dynamics up to ``|z|``.

    Source: derived from ``b' = z / rho + lam w`` and ``<grad f(w'), w'> = 0``.
    """
    intrinsic_lr = learning_rate * weight_decay
    kept = (1 - 2 * intrinsic_lr) * radial_update + intrinsic_lr / reduced_lr
    turned = (1 - intrinsic_lr) * reduced_lr * effective_update_norm**2
    return momentum * (kept - turned)


def momentum_shrink(learning_rate: float, weight_decay: float, momentum: float = 0.0) -> float:
    """Factor by which decay alone shrinks the weights in one step, in the long run.

    The larger root alpha of ``x^2 - (1 + m - eta lam) x + m = 0``; ``1 - eta lam`` for ``m = 0``.

    Source: LA19.

    Raises:
        ValueError: if the roots are complex, where the decay oscillates and no twin exists.
    """
    trace = 1 + momentum - learning_rate * weight_decay
    discriminant = trace**2 - 4 * momentum
    if discriminant < 0:
        raise ValueError(
            "learning_rate * weight_decay must be at most (1 - sqrt(momentum))^2, "
            f"got {learning_rate * weight_decay:g} with momentum {momentum:g}"
        )
    return float((trace + np.sqrt(discriminant)) / 2)


def long_run_decay(learning_rate: float, weight_decay: float, momentum: float = 0.0) -> float:
    """Share of the norm that decay takes in a step in the long run; eta lam without momentum.

    Where decay oscillates with momentum, its envelope: ``1 - sqrt(m)``.

    Source: LA19, for the larger root.
    """
    if not momentum or not weight_decay:  # 0 is exact
        return learning_rate * weight_decay
    try:
        return 1 - momentum_shrink(learning_rate, weight_decay, momentum)
    except ValueError:
        return float(1 - np.sqrt(momentum))
