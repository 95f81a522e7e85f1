r"""Numba kernel of the norm ODE: Dormand-Prince 5(4) with dense output, one trajectory at a time.

    y = rho^4,   dy/dt = -4 eta lam y + 2 eta^2 g(t, rho)^2

y is the variable in which the equation is linear when g does not depend on the norm: a constant
decay and a source, without the ``1/rho^3`` of the equation for rho. Step sizes follow the
embedded fourth-order error; outputs come from the fourth-order interpolant of the same stages.

Source: Dormand & Prince 1980, J. Comput. Appl. Math. 6, 19; interpolant of Shampine 1986,
Math. Comput. 46, 135.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SAFE = {"contract", "arcp", "reassoc", "nsz"}  # fast arithmetic that still sees NaN
OK, NOT_FINITE, STEP_TOO_SMALL, TOO_MANY_STEPS = range(4)
MOST_STEPS = 1_000_000


@njit(error_model="numpy", fastmath=SAFE, inline="always")
def _slope(law, table, t, y, rate, inflow):
    """``-rate y + inflow g^2``, at the norm ``y^(1/4)``; y < 0 only in a step to be refused."""
    g = law(t, np.sqrt(np.sqrt(max(y, 0.0))), table)
    return inflow * g * g - rate * y


@njit(error_model="numpy", fastmath=SAFE, inline="always")
def _first_step(k1, y, tolerance, span):
    """A hundredth of the time in which y changes by itself, within the span."""
    if k1 == 0.0:
        return span
    return min(span, 0.01 * abs(y / k1) * (tolerance / 1e-8) ** 0.2)


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def integrate(law, table, breaks, times, norm, lr, wd, tolerance, out):
    """Fill out with the norm at increasing times; return a result code and the steps taken.

    Args:
        law: jitted ``(t, rho, table) -> g``.
        table: (n,) what the law looks up.
        breaks: (n_breaks,) increasing times that no step crosses, where g may have a kink; the
            last is ``times[-1]``.
        times: (n_times,) in optimizer steps; the norm is given at the first.
        norm: rho at ``times[0]``.
        lr: eta.
        wd: lam.
        tolerance: relative error of y allowed in a step.
        out: (n_times,) receives rho; the rest stays as it is after a failure.
    """
    rate, inflow = 4.0 * lr * wd, 2.0 * lr * lr
    t, y = times[0], norm**4
    out[0] = norm
    k1 = _slope(law, table, t, y, rate, inflow)
    h = _first_step(k1, y, tolerance, times[-1] - t)
    following, ahead, n_steps = 1, 0, 0
    while following < times.size:
        if not np.isfinite(y + k1):
            return NOT_FINITE, n_steps
        if n_steps == MOST_STEPS:
            return TOO_MANY_STEPS, n_steps
        end, wish = breaks[ahead], h
        h = min(h, end - t)
        if t + h <= t:
            return STEP_TOO_SMALL, n_steps
        # stages, Dormand & Prince 1980, table 2
        k2 = _slope(law, table, t + h / 5, y + h * k1 / 5, rate, inflow)
        k3 = _slope(law, table, t + h * 3 / 10, y + h * (k1 * 3 / 40 + k2 * 9 / 40), rate, inflow)
        rise = k1 * 44 / 45 - k2 * 56 / 15 + k3 * 32 / 9
        k4 = _slope(law, table, t + h * 4 / 5, y + h * rise, rate, inflow)
        rise = k1 * 19372 / 6561 - k2 * 25360 / 2187 + k3 * 64448 / 6561 - k4 * 212 / 729
        k5 = _slope(law, table, t + h * 8 / 9, y + h * rise, rate, inflow)
        rise = k1 * 9017 / 3168 - k2 * 355 / 33 + k3 * 46732 / 5247 + k4 * 49 / 176
        k6 = _slope(law, table, t + h, y + h * (rise - k5 * 5103 / 18656), rate, inflow)
        rise = k1 * 35 / 384 + k3 * 500 / 1113 + k4 * 125 / 192 - k5 * 2187 / 6784 + k6 * 11 / 84
        moved = y + h * rise
        k7 = _slope(law, table, t + h, moved, rate, inflow)
        error = k1 * 71 / 57600 - k3 * 71 / 16695 + k4 * 71 / 1920
        error += k6 * 22 / 525 - k5 * 17253 / 339200 - k7 / 40
        ratio = abs(h * error) / (tolerance * max(abs(y), abs(moved)))
        n_steps += 1
        # written so that a NaN refuses the step
        if not (ratio <= 1.0 and moved > 0.0):
            h *= max(0.2, 0.9 * ratio**-0.2) if ratio > 1.0 else 0.2
            continue
        # interpolant y + x (dy + (1-x) (b + x (c + (1-x) d))), Hairer, Norsett & Wanner II.6
        at_break = h == end - t
        landed = end if at_break else t + h
        dy = moved - y
        b = h * k1 - dy
        c = dy - h * k7 - b
        d = k3 * 87487479700 / 32700410799 - k1 * 12715105075 / 11282082432
        d += k5 * 701980252875 / 199316789632 - k4 * 10690763975 / 1880347072
        d = h * (d + k7 * 69997945 / 29380423 - k6 * 1453857185 / 822651844)
        while following < times.size and times[following] <= landed:
            x = (times[following] - t) / h
            inner = y + x * (dy + (1 - x) * (b + x * (c + (1 - x) * d)))
            out[following] = np.sqrt(np.sqrt(inner))
            following += 1
        t, y, k1 = landed, moved, k7
        h *= min(5.0, 0.9 * ratio**-0.2) if ratio > 0.0 else 5.0
        if at_break:  # a step cut short says little about the next one
            h, ahead = max(h, wish), ahead + 1
    return OK, n_steps


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def integrate_all(law, tables, breaks, times, norms, lrs, wds, tolerance, out, codes, n_steps):
    """Integrate every trajectory; the arrays have one row or value for each."""
    for i in range(norms.size):
        codes[i], n_steps[i] = integrate(
            law, tables[i], breaks, times, norms[i], lrs[i], wds[i], tolerance, out[i]
        )


@njit(error_model="numpy", fastmath=SAFE)
def tabulated(t, rho, table):
    """Linear interpolation in equally spaced samples of g; ``table`` is t0, spacing, g0, g1, ..."""
    last = table.size - 3
    place = min(max((t - table[0]) / table[1], 0.0), float(last))
    left = min(int(place), last - 1) if last > 0 else 0
    right = min(left + 1, last)
    return table[2 + left] + (place - left) * (table[2 + right] - table[2 + left])
