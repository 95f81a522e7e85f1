r"""The weight norm in continuous time: ``d(rho^4)/dt = -4 eta lam rho^4 + 2 eta^2 g^2``.

The limit of the norm law for small ``eta lam`` and small angles, t counted in steps. It is
linear in ``rho^4``, so constant and sampled g have closed forms; ``theory.norm_ode.norm_ensemble``
integrates any other g for many runs.

Distance from the discrete law at constant g, as the largest relative error of the norm (measured
for eta lam from 1e-4 to 1e-2; up to 5 % more at 5e-2 for the first two rows):

    start / equilibrium norm   10            3             1            0.5
    error                      +0.81 eta lam +0.33 eta lam -eta lam / 8 -1.5 to -1.75 eta lam

Far below equilibrium the first steps turn by large angles and the ODE does not hold: from a fifth
of the equilibrium norm it is low by 0.6 %, 9 % and 39 % at eta lam = 1e-4, 1e-3 and 1e-2, where
the first step turns by 0.34, 0.84 and 1.29 rad.

Source: Wan et al. 2020 (arXiv 2006.08419); Li, Lyu, Arora 2020 (2010.02916).
"""

import numpy as np
from scipy.signal import lfilter

from theory import validate
from theory.arrays import FloatArray, Real


def norm_at_constant_gradient(
    steps: FloatArray,
    initial_norm: Real,
    effective_grad_norm: Real,
    learning_rate: float,
    weight_decay: float,
) -> FloatArray:
    """Closed form for constant g, ``rho^4(t) = q + (rho0^4 - q) exp(-4 eta lam t)``.

    ``q = eta g^2 / (2 lam)``; without decay ``rho^4 = rho0^4 + 2 eta^2 g^2 t``.

    Args:
        steps: times in optimizer steps, any shape.
        initial_norm: weight norm at step 0; an array that broadcasts with the times, such as
            (n_runs, 1), for an ensemble.
        effective_grad_norm: g, likewise.
        learning_rate: eta.
        weight_decay: lam, 0 or more.

    Returns:
        Weight norm at those times.

    Raises:
        ValueError: if the setting or the initial norm is out of range.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("initial_norm", float(np.min(initial_norm)))
    start = np.asarray(initial_norm) ** 4
    inflow = 2 * (learning_rate * effective_grad_norm) ** 2
    elapsed = _discounted_time(steps, 4 * learning_rate * weight_decay)
    decayed = start * np.exp(-4 * learning_rate * weight_decay * np.asarray(steps))
    return np.asarray(np.sqrt(np.sqrt(decayed + inflow * elapsed)))


def norm_at_sampled_gradient(
    effective_grad_norm: FloatArray,
    initial_norm: float,
    learning_rate: float,
    weight_decay: float,
    *,
    steps_per_sample: float = 1.0,
) -> FloatArray:
    """Exact solution for g constant between equally spaced samples.

    Args:
        effective_grad_norm: g on each interval, (n_samples,).
        initial_norm: weight norm at the start of the first interval.
        learning_rate: eta.
        weight_decay: lam, 0 or more.
        steps_per_sample: length of an interval in optimizer steps.

    Returns:
        Weight norm at the start of each interval and at the end of the last, (n_samples + 1,).

    Raises:
        ValueError: if the setting, the initial norm or the interval is out of range.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    start = validate.positive("initial_norm", initial_norm) ** 4
    interval = validate.positive("steps_per_sample", steps_per_sample)
    rate = 4 * learning_rate * weight_decay
    inflow = 2 * (learning_rate * np.asarray(effective_grad_norm)) ** 2
    gained = inflow * _discounted_time(interval, rate)
    # y[k+1] = decay * y[k] + gained[k] is a first-order linear filter that starts at rho0^4
    fourth_power = lfilter([1.0], [1.0, -np.exp(-rate * interval)], np.append(start, gained))
    return np.asarray(fourth_power**0.25)


def _discounted_time(steps: FloatArray | float, rate: float) -> FloatArray:
    """``(1 - exp(-rate t)) / rate``, which is t without decay."""
    if rate == 0:
        return np.asarray(steps, dtype=float)
    return np.asarray(-np.expm1(-rate * np.asarray(steps)) / rate)
