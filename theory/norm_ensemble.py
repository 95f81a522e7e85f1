"""The norm ODE for many runs at once, integrated adaptively by a compiled kernel.

For gradients without a closed form: a law of time and norm, or samples that change between the
outputs. Importing this module loads Numba; nothing is compiled before the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.dispatcher import Dispatcher

from theory import norm_kernel, validate
from theory.laws import FloatArray, Real

REASONS = {
    norm_kernel.OK: "",
    norm_kernel.NOT_FINITE: "the norm or the gradient is no longer finite",
    norm_kernel.STEP_TOO_SMALL: "the gradient changes too fast for any step",
    norm_kernel.TOO_MANY_STEPS: f"more than {norm_kernel.MOST_STEPS} steps were needed",
}


@dataclass(frozen=True)
class NormEnsemble:
    """Weight norms of many runs.

    Attributes:
        weight_norm: (n_runs, n_times), NaN from where a run failed.
        n_steps: steps the integrator tried in each run, (n_runs,).
        reason: why each run failed, empty where it did not, (n_runs,).
    """

    weight_norm: FloatArray
    n_steps: npt.NDArray[np.int64]
    reason: tuple[str, ...]


def norm_ensemble(
    steps: FloatArray,
    initial_norm: Real,
    gradient: Callable[[float, float], float] | FloatArray,
    *,
    learning_rate: Real,
    weight_decay: Real,
    tolerance: float = 1e-8,
) -> NormEnsemble:
    """Integrate ``d(rho^4)/dt = -4 eta lam rho^4 + 2 eta^2 g(t, rho)^2`` for every run.

    Source: Wan et al. 2020 (arXiv 2006.08419); the method stands in ``theory.norm_kernel``.

    Args:
        steps: increasing times in optimizer steps, (n_times,), n_times >= 2.
        initial_norm: weight norm at ``steps[0]``, a float or (n_runs,).
        gradient: a function compiled with ``numba.njit``, ``(step, weight_norm) -> g``, or samples
            of g spread evenly from ``steps[0]`` to ``steps[-1]`` with straight lines between,
            (n_samples,) or (n_runs, n_samples), n_samples >= 2.
        learning_rate: eta, a float or (n_runs,).
        weight_decay: lam, 0 or more, a float or (n_runs,).
        tolerance: relative error of ``rho^4`` allowed in a step.

    Raises:
        ValueError: if a setting, a norm, a time, a sample or the tolerance is out of range.
        TypeError: if the gradient is a function that is not compiled.
    """
    times = _increasing(steps)
    tolerance = validate.positive("tolerance", tolerance)
    tables, breaks, law = _tables(gradient, times)
    shape = np.broadcast_shapes(
        np.shape(np.atleast_1d(initial_norm)),
        np.shape(learning_rate),
        np.shape(weight_decay),
        tables.shape[:1],
    )
    norms, lrs, wds = (
        np.array(np.broadcast_to(values, shape), dtype=np.float64)
        for values in (initial_norm, learning_rate, weight_decay)
    )
    _check_runs(norms, lrs, wds)
    tables = np.broadcast_to(tables, (*shape, tables.shape[1]))
    path = np.full((*shape, times.size), np.nan)
    codes, n_steps = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    norm_kernel.integrate_all(
        law, tables, breaks, times, norms, lrs, wds, tolerance, path, codes, n_steps
    )
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


def _tables(gradient: Any, times: FloatArray) -> tuple[FloatArray, FloatArray, Any]:
    """Rows of numbers that the compiled law looks up, where it may have kinks, and the law."""
    if callable(gradient):
        if not isinstance(gradient, Dispatcher):
            raise TypeError(f"gradient must be compiled with numba.njit, got {gradient!r}")
        return np.zeros((1, 1)), times[-1:], _law_without_table(gradient)
    samples = np.atleast_2d(np.asarray(gradient, dtype=np.float64))
    if samples.ndim != 2 or samples.shape[1] < 2 or not np.all(np.isfinite(samples)):
        raise ValueError(
            "gradient must hold at least two finite samples a run, "
            f"got shape {samples.shape} with {np.sum(~np.isfinite(samples))} not finite"
        )
    knots, spacing = np.linspace(times[0], times[-1], samples.shape[1], retstep=True)
    head = np.broadcast_to([times[0], spacing], (len(samples), 2))
    return np.hstack([head, samples]), knots[1:], norm_kernel.tabulated


@lru_cache(maxsize=64)
def _law_without_table(law: Any) -> Any:
    # one wrapper a law: a new one would compile the kernel again
    @njit(error_model="numpy")
    def wrapped(t, rho, table):  # type: ignore[no-untyped-def]
        return law(t, rho)

    return wrapped
