"""The norm ODE for many runs at once, in compiled kernels.

The equation is linear in ``rho^4``, so only a gradient that depends on the norm is integrated step
by step (``theory.norm_ode.dormand_prince``). A law of time alone is a quadrature, and samples
joined by straight lines have a closed form (``theory.norm_ode.quadrature``), as constant g has one
in ``theory.norm_ode.closed_form``. Importing this module loads Numba; nothing is compiled before
the first call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from theory import validate
from theory.arrays import FloatArray, Real
from theory.norm_ode import dormand_prince, quadrature
from theory.simulation import threads

REASONS = {
    dormand_prince.OK: "",
    dormand_prince.NOT_FINITE: "the norm or the gradient is no longer finite",
    dormand_prince.STEP_TOO_SMALL: "the gradient changes too fast for any step",
    dormand_prince.TOO_MANY_STEPS: f"more than {dormand_prince.MOST_STEPS} steps were needed",
}


@dataclass(frozen=True)
class NormEnsemble:
    """Weight norms of many runs.

    Attributes:
        weight_norm: (n_runs, n_times), NaN from where a run failed.
        n_steps: steps the integrator tried, or panels and stretches of a quadrature, (n_runs,).
        reason: why each run failed, empty where it did not, (n_runs,).
    """

    weight_norm: FloatArray
    n_steps: npt.NDArray[np.int64]
    reason: tuple[str, ...]


def norm_ensemble(
    steps: FloatArray,
    initial_norm: Real,
    gradient: Callable[..., float] | FloatArray,
    *,
    learning_rate: Real,
    weight_decay: Real,
    tolerance: float = 1e-8,
) -> NormEnsemble:
    """Integrate ``d(rho^4)/dt = -4 eta lam rho^4 + 2 eta^2 g(t, rho)^2`` for every run.

    Runs are integrated in blocks that share their steps, so the last digits of a run, below the
    tolerance, depend on its neighbours where g depends on the norm.

    Source: Wan et al. 2020 (arXiv 2006.08419).

    Args:
        steps: increasing times in optimizer steps, (n_times,), n_times >= 2.
        initial_norm: weight norm at ``steps[0]``, a float or (n_runs,).
        gradient: a function compiled with ``numba.njit``, ``(step, weight_norm) -> g`` or, if the
            norm does not matter, ``(step) -> g``; or samples of g spread evenly from ``steps[0]``
            to ``steps[-1]`` with straight lines between, (n_samples,) or (n_runs, n_samples),
            n_samples >= 2.
        learning_rate: eta, a float or (n_runs,).
        weight_decay: lam, 0 or more, a float or (n_runs,).
        tolerance: relative error of ``rho^4`` allowed in a step.

    Raises:
        ValueError: if a setting, a norm, a time, a sample or the tolerance is out of range.
        TypeError: if the gradient is a function that is not compiled.
    """
    times = _increasing(steps)
    tolerance = validate.positive("tolerance", tolerance)
    samples = None if callable(gradient) else _samples(gradient)
    shape = np.broadcast_shapes(
        np.shape(np.atleast_1d(initial_norm)),
        np.shape(learning_rate),
        np.shape(weight_decay),
        np.shape(samples)[:1] if samples is not None else (),
    )
    runs = [
        np.array(np.broadcast_to(values, shape), dtype=np.float64)
        for values in (initial_norm, learning_rate, weight_decay)
    ]
    _check_runs(*runs)
    if samples is not None:
        return _from_samples(times, samples, *runs)
    if not isinstance(gradient, Dispatcher):
        raise TypeError(f"gradient must be compiled with numba.njit, got {gradient!r}")
    if len(signature(gradient.py_func).parameters) == 1:
        return _by_quadrature(times, gradient, tolerance, *runs)
    return _integrated(times, gradient, tolerance, *runs)


def _integrated(
    times: FloatArray,
    law: Any,
    tolerance: float,
    norms: FloatArray,
    lrs: FloatArray,
    wds: FloatArray,
) -> NormEnsemble:
    """Dormand-Prince in blocks of runs, the last one filled up with copies of its last run."""
    n, block = norms.size, dormand_prince.RUNS
    norms, lrs, wds = (np.pad(values, (0, -n % block), "edge") for values in (norms, lrs, wds))
    path = np.full((times.size, norms.size), np.nan)
    codes, n_steps = np.zeros(norms.size, np.int64), np.zeros(norms.size, np.int64)

    def kernel(start: int, stop: int, norms: FloatArray, *arguments: Any) -> None:
        dormand_prince.integrate_all(start, stop, norms[0], *arguments)

    threads.shared(kernel, block)(
        norms[None], law, times, lrs, wds, tolerance, path, codes, n_steps
    )
    return _ensemble(path.T[:n], n_steps[:n], codes[:n])


def _by_quadrature(
    times: FloatArray,
    law: Any,
    tolerance: float,
    norms: FloatArray,
    lrs: FloatArray,
    wds: FloatArray,
) -> NormEnsemble:
    """One set of panels for all runs; the exponentials once for each ``4 eta lam``."""
    rates, which = np.unique(4 * lrs * wds, return_inverse=True)
    lengths, squares, owners = quadrature.panels(law, times, tolerance, rates[-1])
    decay, gain = np.empty((2, rates.size, times.size))
    for row, rate in enumerate(rates):
        quadrature.gains(rate, lengths, squares, owners, decay[row], gain[row])
    path = np.empty((times.size, norms.size))
    quadrature.accumulate(decay, gain, which, norms, lrs, path)
    codes = np.where(np.isfinite(path[-1]), dormand_prince.OK, dormand_prince.NOT_FINITE)
    return _ensemble(path.T, np.full(norms.size, lengths.size), codes)


def _from_samples(
    times: FloatArray,
    samples: FloatArray,
    norms: FloatArray,
    lrs: FloatArray,
    wds: FloatArray,
) -> NormEnsemble:
    """The closed form from each sample or output to the next."""
    knots = np.linspace(times[0], times[-1], samples.shape[1])
    events = np.unique(np.concatenate([knots, times]))[1:]
    path = np.empty((norms.size, times.size))
    codes = np.zeros(norms.size, np.int64)
    quadrature.from_samples(
        times, events, np.isin(events, times), samples, norms, lrs, wds, path, codes
    )
    return _ensemble(path, np.full(norms.size, events.size), codes)


def _ensemble(path: FloatArray, n_steps: Any, codes: Any) -> NormEnsemble:
    return NormEnsemble(path, n_steps, tuple(REASONS[int(code)] for code in codes))


def _increasing(steps: FloatArray) -> FloatArray:
    times = np.ascontiguousarray(steps, dtype=np.float64)
    if times.ndim != 1 or times.size < 2 or not np.all(np.diff(times) > 0):
        raise ValueError(f"steps must be at least two increasing numbers, got {steps}")
    return times


def _check_runs(norms: FloatArray, lrs: FloatArray, wds: FloatArray) -> None:
    sound = np.isfinite(norms) & (norms > 0) & np.isfinite(lrs) & (lrs > 0)
    sound &= np.isfinite(wds) & (wds >= 0) & (lrs * wds < 1)
    for i in np.flatnonzero(~sound):  # the first one raises its sentence
        validate.positive("initial_norm", norms[i])
        validate.setting(lrs[i], wds[i])


def _samples(gradient: Any) -> FloatArray:
    """Finite samples, (1 or n_runs, n_samples)."""
    samples = np.atleast_2d(np.asarray(gradient, dtype=np.float64))
    if samples.ndim != 2 or samples.shape[1] < 2 or not np.all(np.isfinite(samples)):
        raise ValueError(
            "gradient must hold at least two finite samples a run, "
            f"got shape {samples.shape} with {np.sum(~np.isfinite(samples))} not finite"
        )
    return samples
