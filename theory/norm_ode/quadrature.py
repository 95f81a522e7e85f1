r"""The norm ODE where g does not depend on the norm: a quadrature, exact or adaptive.

    y = rho^4,   y(t + h) = e^(-k h) y(t) + 2 eta^2 int_0^h e^(-k (h - s)) g(t + s)^2 ds,

with ``k = 4 eta lam``. For g linear between samples the integral is a closed form in

    J0 = int e^(-k (h-s)) ds,   J1 = int e^(-k (h-s)) s ds,   J2 = int e^(-k (h-s)) s^2 ds.

For a law of time ``g(t)^2`` is taken once for all runs, at the 15 nodes of Gauss and Kronrod on
panels that are halved until their two sums agree. What a run adds is the exponential.

Source: variation of constants; nodes of Piessens et al. 1983, QUADPACK.
"""

import numpy as np
from numba import njit

from theory.norm_ode.dormand_prince import NOT_FINITE, SAFE, fourth_root
from theory.simulation.kernels.vector_lanes import use_whole_vectors

# nodes on [-1, 1], Kronrod's weights, and Gauss's weights of every second node
_HALF = [
    (0.991455371120812639206854697526329, 0.022935322010529224963732008058970, 0.0),
    (0.949107912342758524526189684047851, 0.063092092629978553290700663189204,
     0.129484966168869693270611432679082),
    (0.864864423359769072789712788640926, 0.104790010322250183839876322541518, 0.0),
    (0.741531185599394439863864773280788, 0.140653259715525918745189590510238,
     0.279705391489276667901467771423780),
    (0.586087235467691130294144691693013, 0.169004726639267902826583426598550, 0.0),
    (0.405845151377397166906606412076961, 0.190350578064785409913256402421014,
     0.381830050505118944950369775488975),
    (0.207784955007898467600689403773245, 0.204432940075298892414161999234649, 0.0),
]  # fmt: skip
_CENTER = (0.0, 0.209482141084727828012999174891714, 0.417959183673469387755102040816327)
_RULE = np.array([*_HALF, _CENTER, *[(-x, w, v) for x, w, v in reversed(_HALF)]])[::-1].copy()
NODES, KRONROD, GAUSS = (np.ascontiguousarray(column) for column in _RULE.T)
# A panel this many times shorter than the interval between outputs holds a kink, and counts.
_MOST_PARTS = 2**30
# Beyond this share of e-foldings a panel is halved, so that the exponential is smooth on it.
_LONGEST = 4.0


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def moments(k, h):
    """``J0, J1, J2`` without cancellation, by their series where ``k h`` is small."""
    z = k * h
    if z < 0.5:
        term, j0, j1, j2 = 1.0, 0.0, 0.0, 0.0
        for n in range(16):  # J_m = h^(m+1) m! sum_n (-z)^n / (n + m + 1)!
            j0 += term / (n + 1)
            j1 += term / ((n + 1) * (n + 2))
            j2 += 2.0 * term / ((n + 1) * (n + 2) * (n + 3))
            term *= -z / (n + 1)
        return h * j0, h * h * j1, h * h * h * j2
    j0 = -np.expm1(-z) / k
    j1 = (h - j0) / k
    return j0, j1, (h * h - 2.0 * j1) / k


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def from_samples(times, events, is_output, samples, norms, lrs, wds, out, codes):
    """Fill out (n, n_times) for g linear between samples spread evenly over the times.

    Args:
        times: (n_times,), increasing.
        events: times of samples and outputs after the first, increasing, (n_events,).
        is_output: which events are outputs, (n_events,).
        samples: (n, n_samples) or (1, n_samples).
        norms: rho at ``times[0]``, (n,).
        lrs: eta, (n,).
        wds: lam, (n,).
        out: receives rho; NaN from where it is not finite.
        codes: receives NOT_FINITE there, (n,).
    """
    spacing = (times[-1] - times[0]) / (samples.shape[1] - 1)
    table = np.empty((events.size, 4))
    known = -1.0
    for i in range(norms.size):
        k, inflow = 4.0 * lrs[i] * wds[i], 2.0 * lrs[i] * lrs[i]
        if k != known:  # runs of equal eta lam share their exponentials
            begin = times[0]
            for j in range(events.size):
                h = events[j] - begin
                table[j, 0] = np.exp(-k * h)
                table[j, 1], table[j, 2], table[j, 3] = moments(k, h)
                begin = events[j]
            known = k
        g = samples[min(i, samples.shape[0] - 1)]
        y, begin, left, row = norms[i] ** 4, times[0], g[0], 1
        out[i, 0] = norms[i]
        for j in range(events.size):
            # in the middle of a stretch there is no doubt which samples surround it
            cell = min(int((0.5 * (begin + events[j]) - times[0]) / spacing), g.size - 2)
            slope = (g[cell + 1] - g[cell]) / spacing
            gain = left * left * table[j, 1] + 2.0 * left * slope * table[j, 2]
            y = y * table[j, 0] + inflow * (gain + slope * slope * table[j, 3])
            begin = events[j]
            left = g[cell] + slope * (begin - times[0] - cell * spacing)
            if is_output[j]:
                out[i, row] = np.sqrt(np.sqrt(y)) if np.isfinite(y) else np.nan
                row += 1
        if not np.isfinite(y):
            codes[i] = NOT_FINITE


@njit(error_model="numpy", fastmath=SAFE)
def panels(law, times, tolerance, fastest):
    """Ends, lengths and nodes of panels that resolve ``g(t)^2``, and the output each belongs to.

    Args:
        law: jitted ``t -> g``.
        times: (n_times,), increasing.
        tolerance: largest relative difference of Kronrod's and Gauss's sums on a panel.
        fastest: the largest ``4 eta lam``.

    Returns:
        ``h`` (n,), ``g^2`` at the nodes (n, 15), the index of the following output (n,).
    """
    squares = np.empty((64, 15))
    lengths, owners = np.empty(64), np.empty(64, np.int64)
    n = 0
    for row in range(1, times.size):
        begin, whole = times[row - 1], times[row] - times[row - 1]
        done, parts = 0, 1  # how many panels of length whole / parts lie behind
        while done < parts:
            if n == lengths.size:
                squares = np.concatenate((squares, np.empty_like(squares)))
                lengths = np.concatenate((lengths, np.empty_like(lengths)))
                owners = np.concatenate((owners, np.empty_like(owners)))
            h = whole / parts
            fine, coarse = 0.0, 0.0
            for k in range(15):
                g = law(begin + h * (done + 0.5 * (1.0 + NODES[k])))
                squares[n, k] = g * g
                fine += KRONROD[k] * squares[n, k]
                coarse += GAUSS[k] * squares[n, k]
            rough = abs(fine - coarse) > tolerance * fine or fastest * h > _LONGEST
            if rough and parts < _MOST_PARTS:
                done, parts = 2 * done, 2 * parts
                continue
            lengths[n], owners[n] = h, row
            n, done = n + 1, done + 1
            while parts > 1 and done % 2 == 0:
                done, parts = done // 2, parts // 2
    return lengths[:n], squares[:n], owners[:n]


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def gains(k, lengths, squares, owners, decay, gain):
    """Fill (n_times,) what an interval leaves of y and, per ``2 eta^2``, what it adds."""
    decay[:], gain[:] = 1.0, 0.0
    for i in range(lengths.size):
        h, added = lengths[i], 0.0
        for n in range(15):
            added += KRONROD[n] * squares[i, n] * np.exp(-0.5 * k * h * (1.0 - NODES[n]))
        kept, row = np.exp(-k * h), owners[i]
        decay[row] *= kept
        gain[row] = gain[row] * kept + 0.5 * h * added


@njit(error_model="numpy", fastmath=SAFE, nogil=True)
def accumulate(decay, gain, which, norms, lrs, out):
    """Fill out (n_times, n) with the norms; ``which`` (n,) is a run's row of decay and gain."""
    use_whole_vectors()
    y, inflow = norms**4, 2.0 * lrs * lrs
    out[0] = norms
    for row in range(1, out.shape[0]):
        for i in range(y.size):
            y[i] = y[i] * decay[which[i], row] + inflow[i] * gain[which[i], row]
            out[row, i] = fourth_root(y[i]) if np.isfinite(y[i]) else np.nan
