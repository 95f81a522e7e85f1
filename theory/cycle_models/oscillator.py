r"""A deterministic relaxation oscillator with pluggable gradient and curvature laws.

State: u, the log of the effective learning rate, and x, the displacement from the minimum on the
sphere along the stiffest direction, carried as log and sign. One step is

    x' = x - atan(phi F'(x)),     u' = u - 2 log(1 - eta lam) - log(1 + phi^2 g(x)^2).

The second equation is the exact norm law. Where x is small the first reads ``log |x'| = log |x|
+ log |1 - phi S|``: the displacement shrinks while ``elr S < 2`` and grows after that, and the
destabilisation shows only when all that was lost has been regained (entry and exit, as in
``isotropic_map.exit_reduced_lr``). Then g is large, the norm jumps, and elr falls. Where the
minimum is kept from attracting forever by gradient noise or rounding, ``x^2`` gains
``(phi sigma)^2`` a step, so that log x has a floor.

The laws F', g and S come from ``theory.cycle_models.unstable_direction``; nothing is fitted. For
``eta lam`` from 1e-4 to 1e-2, full-batch descent on logistic toys is met within 5 % in period and
in elr before and after a jump, both with three points on an axis (no floor: the simulator carries
exponents) and with four in general position in d = 3, where the floor is the rounding of float64,
sigma = 1e-16. At ``eta lam`` = 3e-2, elr after a jump is 29 % low in the second. Gradient noise of
sigma = 1e-3 can make the period 20 % short; above that jumps are made by fluctuations, which the
oscillator does not have.

Source: the norm law, L21 and A26; entry and exit, A26; the closure by laws measured on the
sphere, docs/theory.md, hypothesis 5.
"""

import math
from dataclasses import dataclass

import numpy as np

from theory import validate
from theory.arrays import FloatArray
from theory.cycle_models import oscillator_kernel
from theory.cycle_models.unstable_direction import UnstableLaws
from theory.laws import decay_rate
from theory.trajectory.jumps import JUMP_LOG_ELR, find_jumps

MIN_CYCLES = 3


@dataclass(frozen=True)
class Oscillation:
    """A trajectory of the oscillator; each array is (n_steps,), before each step.

    Attributes:
        log_elr: u.
        log_displacement: ``log |x|``.
        effective_grad_norm: g.
    """

    log_elr: FloatArray
    log_displacement: FloatArray
    effective_grad_norm: FloatArray


@dataclass(frozen=True)
class Cycle:
    """Mean cycle of a trajectory; NaN with a reason where there are too few.

    Attributes:
        period: steps between jumps.
        effective_lr_before_jump: geometric mean of the highest elr.
        effective_lr_after_jump: geometric mean of the lowest elr after that.
        n_cycles: complete cycles.
        status: ``periodic``, or ``refused``.
        reason: why it was refused.
    """

    period: float
    effective_lr_before_jump: float
    effective_lr_after_jump: float
    n_cycles: int
    status: str
    reason: str


def run(
    laws: UnstableLaws,
    intrinsic_lr: float,
    *,
    n_steps: int,
    effective_lr: float,
    displacement: float = 1.0,
    noise: float = 0.0,
) -> Oscillation:
    """Integrate the oscillator.

    Args:
        laws: slope, gradient and curvature.
        intrinsic_lr: eta lam, in [0, 1).
        n_steps: number of steps.
        effective_lr: elr at the start.
        displacement: x at the start, in rad, not 0.
        noise: sigma, standard deviation of the effective gradient along the unstable direction.

    Raises:
        ValueError: if a value is out of range.
    """
    if not 0 <= intrinsic_lr < 1:
        raise ValueError(f"intrinsic_lr must be in [0, 1), got {intrinsic_lr}")
    if not 0 < abs(displacement) <= math.pi:
        raise ValueError(f"displacement must be in [-pi, pi] and not 0, got {displacement}")
    series = oscillator_kernel.drive(
        math.log(validate.positive("effective_lr", effective_lr)),
        math.log(abs(displacement)),
        math.copysign(1.0, displacement),
        decay_rate(intrinsic_lr),
        validate.non_negative("noise", noise),
        laws.curvature,
        2 * math.pi / (len(laws.slope) - 1),
        laws.slope,
        laws.grad_norm,
        validate.at_least("n_steps", n_steps, 1),
    )
    return Oscillation(*series)


def predict(
    laws: UnstableLaws, intrinsic_lr: float, *, noise: float = 0.0, n_cycles: int = 200
) -> Cycle:
    """Predict the mean cycle at an intrinsic learning rate, after the first transient.

    Args:
        laws: slope, gradient and curvature, measured on the sphere.
        intrinsic_lr: eta lam, in (0, 1).
        noise: sigma of the gradient; 0 where the simulation carries exponents, 1e-16 (rounding)
            where it has neither exponents nor noise.
        n_cycles: about how many cycles to average over, if they last ``3 / (eta lam)``.

    Raises:
        ValueError: if a value is out of range.
    """
    validate.positive("intrinsic_lr", intrinsic_lr)
    steps = math.ceil(3 * validate.at_least("n_cycles", n_cycles, 1) / intrinsic_lr)
    threshold = 2 / laws.curvature
    log_elr = run(laws, intrinsic_lr, n_steps=steps, effective_lr=threshold, noise=noise).log_elr
    return mean_cycle(log_elr[len(log_elr) // 10 :])


def mean_cycle(log_elr: FloatArray, *, min_drop: float = JUMP_LOG_ELR) -> Cycle:
    """Mean period and elr on both sides of the jumps, the first cycle left out.

    Args:
        log_elr: ``ln(elr)`` of consecutive steps, (n_steps,), or of several runs, (n_steps, n).
        min_drop: smallest rise and fall that count.
    """
    runs = np.atleast_2d(np.asarray(log_elr, dtype=float).T)
    gaps: list[int] = []
    before: list[float] = []
    after: list[float] = []
    for run in runs:
        jumps = find_jumps(run, min_drop=min_drop)
        landed = slice(1, len(jumps.landings))  # the last fall may not be over
        gaps.extend(np.diff(jumps.onsets[landed]))
        before.extend(run[jumps.onsets[landed]])
        after.extend(run[jumps.landings[landed]])
    if len(gaps) < MIN_CYCLES:
        nan = float("nan")
        reason = f"{len(gaps)} cycles, {MIN_CYCLES} needed"
        return Cycle(nan, nan, nan, len(gaps), "refused", reason)
    return Cycle(
        float(np.mean(gaps)),
        math.exp(np.mean(before)),
        math.exp(np.mean(after)),
        len(gaps),
        "periodic",
        "",
    )
