r"""The isotropic toy as a map of two numbers: its fixed point, its spectrum, its cycle.

For ``F = 1 - q``, q the cosine between the weights and the minimum, a step of SGD is

    q' = (q + phi (1 - q^2)) / sqrt(D),   phi' = phi / (a^2 D),   D = 1 + phi^2 (1 - q^2),

with ``a = 1 - eta lam``. Its one fixed point is an unstable spiral, and what it spirals out to is
a relaxation cycle: close to the minimum the angle is multiplied by ``1 - phi`` a step, so it
shrinks while ``phi < 2`` and grows after that, as phi rises by ``a^-2`` a step.

Source: A26 = Amin et al. 2026 (arXiv 2609.09116).
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import spence

from theory.arrays import FloatArray


def step(q: float, phi: float, intrinsic_lr: float) -> tuple[float, float]:
    """One step of SGD, ``(q, phi) -> (q', phi')``."""
    slope = 1 - q * q
    growth = 1 + phi * phi * slope
    return (q + phi * slope) / math.sqrt(growth), phi / ((1 - intrinsic_lr) ** 2 * growth)


def fixed_point(intrinsic_lr: float) -> tuple[float, float]:
    """``q* = sqrt((1 + a) / 2)``, ``phi* = sqrt(2 (1 + a)) / a``.

    Source: A26.
    """
    shrink = 1 - intrinsic_lr
    return math.sqrt((1 + shrink) / 2), math.sqrt(2 * (1 + shrink)) / shrink


def jacobian(q: float, phi: float, intrinsic_lr: float) -> FloatArray:
    """Derivatives of ``(q', phi')`` by ``(q, phi)``, (2, 2).

    At the fixed point the trace is ``3 a^2 + a - 2`` and the determinant ``1 + a - a^2``, which
    is the squared modulus of both eigenvalues.

    Source: A26.
    """
    slope = 1 - q * q
    growth = 1 + phi * phi * slope
    root, moved = math.sqrt(growth), q + phi * slope
    decay = (1 - intrinsic_lr) ** 2 * growth**2
    return np.array(
        [
            [
                (1 - 2 * phi * q) / root + moved * phi * phi * q / root**3,
                slope / root - moved * phi * slope / root**3,
            ],
            [2 * phi**3 * q / decay, (1 - phi * phi * slope) / decay],
        ]
    )


def small_oscillation_period(intrinsic_lr: float) -> float:
    """Steps of one turn around the fixed point, ``2 pi / sqrt(8 eta lam)`` for small eta lam.

    Source: A26.
    """
    return 2 * math.pi / math.sqrt(8 * intrinsic_lr)


def real_dilogarithm(x: float) -> float:
    """``Re Li2(x)`` for ``x >= 0``."""
    if x <= 1:
        return float(spence(1 - x))
    return math.pi**2 / 3 - math.log(x) ** 2 / 2 - float(spence(1 - 1 / x))


def exit_reduced_lr(entry_reduced_lr: float) -> float:
    """The phi at which the angle is back at the size it had at the entry into the minimum.

    The log of the angle changes by ``ln |1 - phi|`` a step while phi grows by ``a^-2``, so it has
    returned when ``int ln |1 - phi| dphi / phi = -[Re Li2]`` vanishes: ``Re Li2(phi_exit) = Re
    Li2(phi_entry)``; 12.595 for an entry at 0.

    Source: A26.

    Raises:
        ValueError: if the entry is not in (0, 2), where angles shrink.
    """
    if not 0 <= entry_reduced_lr < 2:
        raise ValueError(f"entry_reduced_lr must be in [0, 2), got {entry_reduced_lr}")
    level = real_dilogarithm(entry_reduced_lr)
    return float(brentq(lambda phi: real_dilogarithm(phi) - level, 2.0, 13.0, xtol=1e-12))
