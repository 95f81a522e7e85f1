"""A step of SGD on a CPU in one pass over the weights, which also sums what is recorded.

    z = m b + f grad,  b' = z + lam w,  w' = w - eta b',  d = w' - w,

for each run in one row, with f the factor of clipping. Sums are taken in float64, of |w|^2,
|grad|^2, |d|^2, <d, w> and, where the update is not the gradient, |z|^2 and <w, z>. All recorded
scalars follow, the angle from the part of d orthogonal to w: ``tan(theta) = |d_t| / (rho + d_r)``.
"""

import math

import numpy as np
from numba import njit

from theory.simulation.kernels.kernel_cache import kept

# Sums are taken in as many lanes as the processor has: in an order that is the same for every run.
FAST = {"contract", "nsz", "reassoc"}
# A float32 would stay one in Python's ``float``, hence ``np.float64``.
kernel = kept(error_model="numpy", fastmath=FAST, nogil=True)
# Inlined by force: a helper compiled by itself may round differently from one inside a kernel.
helper = njit(error_model="numpy", fastmath=FAST, forceinline=True)


@helper
def _angle(rho, dd, dw):
    """Angle between w and w + d."""
    radial = dw / rho
    return math.atan2(math.sqrt(max(dd - radial * radial, 0.0)), rho + radial)


@helper
def _clipping(w, grad, eta, lam, clip):
    """Factor on the gradient; 1 without clipping."""
    if clip == 0:
        return 1.0
    ww = gg = 0.0
    for i in range(w.shape[0]):
        ww += np.float64(w[i]) * np.float64(w[i])
        gg += np.float64(grad[i]) * np.float64(grad[i])
    return min(1.0, math.sqrt(2 * clip * np.float64(lam) / np.float64(eta) * ww / gg))


@helper
def _rescale(w, factor):
    """Multiply weights by a number."""
    f = w.dtype.type(factor)
    for i in range(w.shape[0]):
        w[i] *= f


@kernel
def plain_step(weights, gradient, rate, decay, sphere_norm, n_invariant, scalars):
    """Move the weights along the gradient.

    Args:
        weights: w, (n_runs, n_weights), float32 or float64; changed in place.
        gradient: grad, likewise.
        rate: eta, (n_runs, 1), of the type of the weights.
        decay: lam, likewise.
        sphere_norm: norm to set the first weights to after the step, (n_runs,); empty to let it be.
        n_invariant: number of scale-invariant weights, the first of a row, which are summed over.
        scalars: written, (3, n_runs), float64: rho, g and theta.
    """
    for run in range(weights.shape[0]):
        w, grad = weights[run], gradient[run]
        eta, lam = rate[run, 0], decay[run, 0]
        ww = gg = dd = dw = 0.0
        for i in range(n_invariant):
            old, slope = w[i], grad[i]
            new = old - eta * (slope + lam * old)
            w[i] = new
            before, along = np.float64(old), np.float64(slope)
            moved = np.float64(new) - before
            ww += before * before
            gg += along * along
            dd += moved * moved
            dw += moved * before
        for i in range(n_invariant, w.shape[0]):
            w[i] -= eta * (grad[i] + lam * w[i])
        rho = math.sqrt(ww)
        scalars[0, run] = rho
        scalars[1, run] = rho * math.sqrt(gg)
        scalars[2, run] = _angle(rho, dd, dw)
        if sphere_norm.shape[0]:
            _rescale(w[:n_invariant], sphere_norm[run] / math.sqrt(ww + 2 * dw + dd))


@kernel
def general_step(
    weights, gradient, buffer, rate, decay, momentum, clip, sphere_norm, n_invariant, scalars
):
    """Move the weights with momentum, clipping or both.

    Args:
        weights: as in ``plain_step``.
        gradient: likewise.
        buffer: b, like the weights; changed in place. Without momentum its values do not matter,
            as long as they are finite.
        rate: as in ``plain_step``.
        decay: likewise.
        momentum: m, like the rate.
        clip: C > 0 shortens gradients to at most ``sqrt(2 C lam/eta) rho``; 0 leaves them.
        sphere_norm: as in ``plain_step``.
        n_invariant: likewise.
        scalars: written, (5, n_runs), float64: rho, g, theta, ``|z|`` times rho and ``<w, z>``.
    """
    for run in range(weights.shape[0]):
        w, grad, b = weights[run], gradient[run], buffer[run]
        eta, lam, m = rate[run, 0], decay[run, 0], momentum[run, 0]
        factor = _clipping(w[:n_invariant], grad[:n_invariant], eta, lam, clip)
        f = w.dtype.type(factor)
        ww = gg = dd = dw = zz = zw = 0.0
        for i in range(n_invariant):
            old, slope = w[i], grad[i]
            update = m * b[i] + f * slope
            b[i] = update + lam * old
            new = old - eta * b[i]
            w[i] = new
            before, along, z = np.float64(old), np.float64(slope), np.float64(update)
            moved = np.float64(new) - before
            ww += before * before
            gg += along * along
            dd += moved * moved
            dw += moved * before
            zz += z * z
            zw += z * before
        for i in range(n_invariant, w.shape[0]):
            b[i] = m * b[i] + f * grad[i] + lam * w[i]
            w[i] -= eta * b[i]
        rho = math.sqrt(ww)
        scalars[0, run] = rho
        scalars[1, run] = rho * math.sqrt(gg)
        scalars[2, run] = _angle(rho, dd, dw)
        scalars[3, run] = rho * math.sqrt(zz)
        scalars[4, run] = zw
        if sphere_norm.shape[0]:
            _rescale(w[:n_invariant], sphere_norm[run] / math.sqrt(ww + 2 * dw + dd))
