r"""The inner loop of the relaxation oscillator (see ``oscillator``), compiled by Numba.

u     log effective learning rate
z, s  log and sign of the displacement x = s e^z from the minimum, in rad
phi   elr / (1 - eta lam)
"""

import math

import numpy as np

from theory.simulation.kernels.kernel_cache import kept


@kept(error_model="numpy")
def drive(u, z, s, rate, noise, curvature, spacing, slope, grad_norm, n_steps):
    """Advance one oscillator; ``slope`` and ``grad_norm`` are on a uniform grid over [-pi, pi].

    x' = x - atan(phi F'(x)),   u' = u + rate - log(1 + phi^2 g^2),   <x'^2> += (phi noise)^2,

    with ``F' = g = S x`` inside the first cell, where log x has no lower end.

    Returns:
        u, z and g before each step, each (n_steps,).
    """
    log_elr, log_displacement = np.empty(n_steps), np.empty(n_steps)
    gradient = np.empty(n_steps)
    cells = slope.shape[0] - 1
    for step in range(n_steps):
        phi = math.exp(u + rate / 2)
        x = s * math.exp(z)
        if abs(x) < spacing:
            g = curvature * abs(x)
            factor = 1.0 - phi * curvature
        else:
            place = (x + math.pi) / spacing
            cell = min(max(int(place), 0), cells - 1)
            part = place - cell
            g = grad_norm[cell] + part * (grad_norm[cell + 1] - grad_norm[cell])
            pull = slope[cell] + part * (slope[cell + 1] - slope[cell])
            factor = 1.0 - math.atan(phi * pull) / x
        log_elr[step], log_displacement[step], gradient[step] = u, z, g
        u += rate - math.log1p((phi * g) ** 2)
        if factor < 0.0:
            s = -s
        z += math.log(max(abs(factor), 1e-300))
        if noise > 0.0:
            z = 0.5 * math.log(math.exp(2.0 * z) + (phi * noise) ** 2)
        if z > 1.1447298858494002:  # beyond the antipode, at log(pi): the shorter way around
            z = math.log(2.0 * math.pi - math.exp(z))
            s = -s
    return log_elr, log_displacement, gradient
