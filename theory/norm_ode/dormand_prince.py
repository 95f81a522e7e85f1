r"""Numba kernel of the norm ODE: Dormand-Prince 5(4) with dense output, for blocks of runs.

    y = rho^4,   dy/dt = -4 eta lam y + 2 eta^2 g(t, rho)^2

y is the variable in which the equation is linear when g does not depend on the norm: a constant
decay and a source, without the ``1/rho^3`` of the equation for rho. The runs of a block share
their steps, so that what g takes from the time is computed once and all else in vectors; step
sizes follow the largest embedded fourth-order error among them. Outputs come from the
fourth-order interpolant of the same stages.

Source: Dormand & Prince 1980, J. Comput. Appl. Math. 6, 19; interpolant of Shampine 1986,
Math. Comput. 46, 135.
"""

import numpy as np
from numba import njit

from theory.simulation.kernels.vector_lanes import aligned, bits_of, float_of, use_whole_vectors

SAFE = {"contract", "arcp", "reassoc", "nsz"}  # fast arithmetic that still sees NaN
RUNS = 64  # in a block
OK, NOT_FINITE, STEP_TOO_SMALL, TOO_MANY_STEPS = range(4)
MOST_STEPS = 1_000_000
_REFUSED = 1e6  # stands for an error that is no number


@njit(error_model="numpy", fastmath=SAFE, forceinline=True)
def fourth_root(y):
    """``y^(1/4)`` to rounding, for a normal y; that of 1e-300 below it, in a step to be refused.

    ``z = y^(-1/4)`` to 4 % from a guess made of bits, to 3e-6 by a minimax polynomial in the
    defect ``1 - y z^4``, then the root from two terms in what is left of it. Multiplications
    alone: roots take several times as long.
    """
    y = max(y, 1e-300)
    z = float_of(0x4FEB09374BC6A800 - (bits_of(y) >> 2))
    square = z * z
    r = 1.0 - y * square * square
    p = 0.11736114900308277 * r + 0.1577280563919685
    p = p * r + 0.25000423852933384
    z *= p * r + 0.999997140360068
    root = y * z * (z * z)
    r = 1.0 - root * z
    return root + root * r * (0.75 + 0.65625 * r)


@njit(error_model="numpy", fastmath=SAFE, forceinline=True)
def _slope(law, t, y, rate, inflow):
    """``-rate y + inflow g^2``, at the norm ``y^(1/4)``."""
    g = law(t, fourth_root(y))
    return inflow * g * g - rate * y


@njit(error_model="numpy", fastmath=SAFE, forceinline=True)
def _step(law, t, h, tolerance, work):
    """Fill in where a step leads, and its errors; return the largest of them in the tolerance.

    One loop a stage: the roots of a loop do not wait for each other, those of a run do.

    Source: Dormand & Prince 1980, table 2; the interpolant of Shampine 1986.
    """
    y, moved, rate, inflow, limit, ratio, bend = (
        work[0], work[1], work[2], work[3], work[4], work[5], work[6],
    )  # fmt: skip
    k1, k2, k3, k4, k5, k6, k7 = (
        work[7], work[8], work[9], work[10], work[11], work[12], work[13],
    )  # fmt: skip
    for i in range(RUNS):
        k2[i] = _slope(law, t + h / 5, y[i] + h * k1[i] / 5, rate[i], inflow[i])
    for i in range(RUNS):
        rise = k1[i] * 3 / 40 + k2[i] * 9 / 40
        k3[i] = _slope(law, t + h * 3 / 10, y[i] + h * rise, rate[i], inflow[i])
    for i in range(RUNS):
        rise = k1[i] * 44 / 45 - k2[i] * 56 / 15 + k3[i] * 32 / 9
        k4[i] = _slope(law, t + h * 4 / 5, y[i] + h * rise, rate[i], inflow[i])
    for i in range(RUNS):
        rise = k1[i] * 19372 / 6561 - k2[i] * 25360 / 2187 + k3[i] * 64448 / 6561
        rise -= k4[i] * 212 / 729
        k5[i] = _slope(law, t + h * 8 / 9, y[i] + h * rise, rate[i], inflow[i])
    for i in range(RUNS):
        rise = k1[i] * 9017 / 3168 - k2[i] * 355 / 33 + k3[i] * 46732 / 5247
        rise += k4[i] * 49 / 176 - k5[i] * 5103 / 18656
        k6[i] = _slope(law, t + h, y[i] + h * rise, rate[i], inflow[i])
    # numbers above 0 rise with their bits, whose maximum is found in vectors
    highest = 0
    for i in range(RUNS):
        rise = k1[i] * 35 / 384 + k3[i] * 500 / 1113 + k4[i] * 125 / 192
        moved[i] = y[i] + h * (rise + k6[i] * 11 / 84 - k5[i] * 2187 / 6784)
        k7[i] = _slope(law, t + h, moved[i], rate[i], inflow[i])
        error = k1[i] * 71 / 57600 - k3[i] * 71 / 16695 + k4[i] * 71 / 1920
        error += k6[i] * 22 / 525 - k5[i] * 17253 / 339200 - k7[i] / 40
        relative = abs(h * error) / (tolerance * max(abs(y[i]), abs(moved[i])))
        # written so that a NaN refuses the step
        sound = (relative < _REFUSED) & (moved[i] > 0.0)
        ratio[i] = min(relative, limit[i]) if sound else limit[i]
        highest = max(highest, bits_of(ratio[i]))
        curve = k3[i] * 87487479700 / 32700410799 - k1[i] * 12715105075 / 11282082432
        curve += k5[i] * 701980252875 / 199316789632 - k4[i] * 10690763975 / 1880347072
        curve += k7[i] * 69997945 / 29380423 - k6[i] * 1453857185 / 822651844
        bend[i] = h * curve
    return float_of(highest)


@njit(error_model="numpy", fastmath=SAFE, forceinline=True)
def _between(x, h, y, moved, k1, k7, bend):
    """Give y at a share x of a step, ``y + x (dy + (1-x) (b + x (c + (1-x) bend)))``.

    Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.6.
    """
    dy = moved - y
    b = h * k1 - dy
    c = dy - h * k7 - b
    return y + x * (dy + (1 - x) * (b + x * (c + (1 - x) * bend)))


@njit(error_model="numpy", fastmath=SAFE)
def _first_step(y, k1, limit, tolerance, span):
    """A hundredth of the time in which the fastest run changes by itself, within the span."""
    h = span
    for i in range(RUNS):
        if limit[i] > 0.0 and k1[i] != 0.0:
            h = min(h, 0.01 * abs(y[i] / k1[i]) * (tolerance / 1e-8) ** 0.2)
    return h


@njit(error_model="numpy", fastmath=SAFE)
def _fail(i, reason, limit, code):
    """Mark a run as failed: its errors no longer count."""
    limit[i], code[i] = 0.0, reason


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def integrate(law, times, norm, lr, wd, tolerance, first, out, code):
    """Fill columns of out with the norms of a block at increasing times; return the steps taken.

    Args:
        law: jitted ``(t, rho) -> g``.
        times: (n_times,) in optimizer steps; the norms are given at the first.
        norm: rho at ``times[0]``, (RUNS,).
        lr: eta, (RUNS,).
        wd: lam, (RUNS,).
        tolerance: relative error of y allowed in a step.
        first: the block's first column.
        out: (n_times, n), contiguous, receives rho; NaN after a run's failure.
        code: (RUNS,) receives OK, or why a run failed; the others go on.
    """
    use_whole_vectors()
    # one array, in which LLVM sees that no row overlaps another
    work = aligned(14 * RUNS).reshape((14, RUNS))
    y, moved, rate, inflow, limit, ratio, bend = (
        work[0], work[1], work[2], work[3], work[4], work[5], work[6],
    )  # fmt: skip
    k1, k7 = work[7], work[13]
    t = times[0]
    for i in range(RUNS):
        rate[i], inflow[i], limit[i] = 4.0 * lr[i] * wd[i], 2.0 * lr[i] * lr[i], _REFUSED
        y[i], out[0, first + i], ratio[i] = norm[i] ** 4, norm[i], 0.0
        k1[i] = _slope(law, t, y[i], rate[i], inflow[i])
        if not np.isfinite(y[i] + k1[i]):
            _fail(i, NOT_FINITE, limit, code)
    h = _first_step(y, k1, limit, tolerance, times[-1] - t)
    following, n_steps = 1, 0
    while following < times.size:
        h = min(h, times[-1] - t)
        if t + h <= t or n_steps == MOST_STEPS:
            reason = TOO_MANY_STEPS if n_steps == MOST_STEPS else STEP_TOO_SMALL
            for i in range(RUNS):
                if limit[i] > 0.0 and (ratio[i] > 1.0 or n_steps == MOST_STEPS):
                    _fail(i, reason, limit, code)
            h = _first_step(y, k1, limit, tolerance, times[-1] - t)
        if not np.sum(limit) > 0.0:
            return n_steps
        worst = _step(law, t, h, tolerance, work)
        n_steps += 1
        if worst > 1.0:
            h *= max(0.2, 0.9 * worst**-0.2)
            continue
        landed = times[-1] if h == times[-1] - t else t + h
        while following < times.size and times[following] <= landed:
            x, row = (times[following] - t) / h, out[following, first : first + RUNS]
            for i in range(RUNS):
                reached = _between(x, h, y[i], moved[i], k1[i], k7[i], bend[i])
                row[i] = fourth_root(reached) if limit[i] > 0.0 else np.nan
            following += 1
        t = landed
        for i in range(RUNS):
            y[i], k1[i] = moved[i], k7[i]
        h *= min(5.0, 0.9 * worst**-0.2) if worst > 0.0 else 5.0
    return n_steps


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def integrate_all(start, stop, norms, law, times, lrs, wds, tolerance, out, codes, n_steps):
    """Integrate the columns from start to stop, multiples of RUNS; out is (n_times, n)."""
    for first in range(start, stop, RUNS):
        last = first + RUNS
        n_steps[first:last] = integrate(
            law, times, norms[first:last], lrs[first:last], wds[first:last], tolerance,
            first, out, codes[first:last],
        )  # fmt: skip
