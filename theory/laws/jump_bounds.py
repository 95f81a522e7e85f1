"""How long a jump can wait, and when it must come, for gradients between two bounds.

Symbols are those of ``theory.laws``.

Source: L21 = Lobacheva et al. 2021 (arXiv 2106.15739); the discrete bounds are derived.
"""

import numpy as np

from theory import laws
from theory.arrays import Real


def jump_free_steps(
    weight_norm: Real, largest_g: Real, learning_rate: Real, weight_decay: Real, delta: Real
) -> Real:
    """Number of steps during which no delta-jump can happen while ``g <= largest_g``.

    None happens while ``rho^2 > R_max = eta L / (kappa a)``, and decay cannot get there in fewer
    than ``ln(rho0^2 / R_max) / (-2 ln a)`` steps.

    Source: L21, derived.
    """
    shrink = 1 - learning_rate * weight_decay
    lowest = learning_rate * largest_g / (laws.jump_constant(delta) * shrink)
    steps = np.log(weight_norm**2 / lowest) / (-2 * np.log(shrink))
    return np.maximum(steps, 0.0)


def certain_jump_steps(
    weight_norm: Real,
    smallest_g: Real,
    largest_g: Real,
    learning_rate: Real,
    weight_decay: Real,
    delta: Real,
) -> Real:
    """Number of steps within which a delta-jump is certain; inf where it never is.

    With ``l <= g <= L`` a step jumps for sure once ``rho^2 <= R_min = eta l / (kappa a)``. Until
    the first jump ``eta g / rho^2 <= a kappa``, so ``rho'^4 <= a^4 rho^4 + c`` with
    ``c = (2 + kappa^2) (a eta L)^2``, hence ``rho_t^4 <= q + a^(4t) (rho0^4 - q)`` with
    ``q = c / (1 - a^4)``. The bound is the first t at which this is ``R_min^2``. For small
    ``eta lam`` and ``delta`` it is ``ln[(rho0^4 - q) / (R_min^2 - q)] / (4 eta lam)`` with
    ``q = eta L^2 / (2 lam)``. It is finite only for ``delta < eta lam``: constant bounds on g
    never make a large jump.

    Source: L21, derived; this form is an upper bound at any ``eta lam``.
    """
    shrink = 1 - learning_rate * weight_decay
    kappa = laws.jump_constant(delta)
    certain = (learning_rate * smallest_g / (kappa * shrink)) ** 2
    inflow = (2 + kappa**2) * (shrink * learning_rate * largest_g) ** 2
    level = inflow / (1 - shrink**4)
    start = np.asarray(weight_norm) ** 4
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log((start - level) / (certain - level)) / (-4 * np.log(shrink))
    steps = np.where(start <= certain, 0.0, np.where(certain > level, steps, np.inf))
    return steps[()]
