r"""Where norm and rotation settle when the mean squared effective gradient is constant.

Sources: W20 = Wan et al. 2020 (arXiv 2006.08419); LLA20 = Li, Lyu, Arora 2020 (2010.02916);
K24 = Kosson et al. 2024 (2305.17212).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory import laws, validate


@dataclass(frozen=True)
class Equilibrium:
    """A stationary state of the weight norm.

    Attributes:
        norm: weight norm.
        effective_lr: effective learning rate at that norm.
        angular_update: angle between successive weights, rad.
        relaxation_steps: steps in which a deviation of the norm falls by a factor e.
    """

    norm: float
    effective_lr: float
    angular_update: float
    relaxation_steps: float


def sgd(learning_rate: float, weight_decay: float, mean_squared_g: float) -> Equilibrium:
    """Equilibrium of SGD with coupled decay, in its exact discrete form.

    ``rho^4 = eta p / (lam (2 - eta lam))`` with ``p = mean(g^2)``; the weights turn by
    ``1 - cos(theta) = eta lam`` a step; ``rho^4`` relaxes as ``exp(-4 eta lam t)``.

    Source: W20; LLA20; exact at any eta lam for constant g (the norm law with ``rho' = rho``).

    Args:
        learning_rate: eta, above 0.
        weight_decay: lam, above 0.
        mean_squared_g: p, mean of the squared effective gradient norm, above 0.

    Raises:
        ValueError: if an argument is out of range or ``eta lam >= 1``.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    validate.positive("mean_squared_g", mean_squared_g)
    intrinsic_lr = learning_rate * weight_decay
    norm = (learning_rate * mean_squared_g / (weight_decay * (2 - intrinsic_lr))) ** 0.25
    return Equilibrium(
        norm=norm,
        effective_lr=laws.effective_lr(norm, learning_rate),
        angular_update=float(laws.stationary_angle(intrinsic_lr)),
        relaxation_steps=1 / (4 * intrinsic_lr),
    )


def settling_steps(
    initial_norm: float, equilibrium: Equilibrium, *, tolerance: float = 0.01
) -> float:
    """Steps until the norm is within a relative tolerance of its equilibrium value.

    From ``rho^4(t) = rho*^4 + (rho0^4 - rho*^4) exp(-t / relaxation_steps)``.

    Source: W20, the closed form of the norm ODE.
    """
    validate.positive("initial_norm", initial_norm)
    excess = (initial_norm / equilibrium.norm) ** 4 - 1
    allowed = (1 + np.copysign(tolerance, excess)) ** 4 - 1
    return float(equilibrium.relaxation_steps * np.log(max(excess / allowed, 1.0)))
