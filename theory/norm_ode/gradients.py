"""The effective gradient norm that a norm is solved for: constant, recorded, or a law."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, Self

import numpy as np
import xarray as xr

from theory import validate
from theory.arrays import FloatArray, Real
from theory.trajectory import RecordedRun, require

MOST_NAMED = 4  # runs that a refusal lists


@dataclass(frozen=True, eq=False)
class Gradient:
    """An effective gradient norm g over time.

    Attributes:
        value: a number; one value a step, (n_steps,); or a compiled law ``(step) -> g`` or
            ``(step, weight_norm) -> g``.
        name: where it comes from, in a few words.
        run: the run that it was recorded in, where one is known.
    """

    value: float | FloatArray | Callable[..., float]
    name: str
    run: RecordedRun | None = None

    @classmethod
    def of(cls, given: Any, run: str | None) -> Self:
        """Read what ``solve_norm`` takes as ``grad_norm``; what was read already stays as it is.

        Raises:
            ValueError: if it is negative, not finite or empty, or a run has to be chosen.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, xr.Dataset):
            return cls._of_run(given, run)
        if run is not None:
            raise ValueError(f"run={run!r} chooses a run of a Dataset, which grad_norm is not")
        if callable(given):
            return cls(given, "a law of g")
        if isinstance(given, xr.DataArray) and "step" in given.dims:
            values = given.squeeze(drop=True)
            return cls(_each_step(values["step"].values, values.values), "recorded gradients")
        if np.ndim(given) == 0:
            g = validate.non_negative("grad_norm", float(given))
            return cls(g, f"constant g = {g:.4g}")
        return cls(_each_step(np.arange(np.size(given)), np.asarray(given)), "given gradients")

    @classmethod
    def _of_run(cls, recording: xr.Dataset, run: str | None) -> Self:
        if "run" in recording.coords and "run" not in recording.dims:
            recording = recording.expand_dims("run")
        require(recording, "the recording")
        found = RecordedRun.of(recording, _choose(recording, run))
        steps = found.every * np.arange(len(found.effective_grad_norm))
        values = _each_step(steps, found.effective_grad_norm)
        return cls(values, f"gradients of {found.id}", found)

    @property
    def length(self) -> int | None:
        """Steps that the gradient is known for; None where that is any number."""
        return len(self.value) if isinstance(self.value, np.ndarray) else None

    def at(self, step: int, norms: FloatArray) -> Real:
        """Gradient of one step, a number or one for each of the norms, (n_runs,)."""
        if isinstance(self.value, np.ndarray):
            return self.value[step]
        if not callable(self.value):
            return self.value
        if len(signature(getattr(self.value, "py_func", self.value)).parameters) == 1:
            return self.value(float(step))
        return np.array([self.value(float(step), float(norm)) for norm in norms])


def no_plain_sgd(run: RecordedRun) -> str:
    """Why the exact norm law of SGD at one learning rate does not hold for a run; "" if it does."""
    if run.update_rule != "sgd":
        return f"it was trained with {run.update_rule}"
    if run.momentum:
        return f"it was trained with momentum {run.momentum:g}"
    if run.update_norm is not None:
        return "its updates are not its gradients"
    return "its learning rate changes in time" if run.scheduled else ""


def _choose(recording: xr.Dataset, run: str | None) -> str:
    """Id of the run that is meant.

    Raises:
        ValueError: if there is no such run, or several and none is chosen.
    """
    ids = [str(one) for one in recording["run"].values]
    some = ", ".join(ids[:MOST_NAMED]) + (", ..." if len(ids) > MOST_NAMED else "")
    if run is not None and run not in ids:
        raise ValueError(f"there is no run {run}; there are {some}")
    if run is None and len(ids) != 1:
        raise ValueError(f"the recording holds {len(ids)} runs; choose one of {some}")
    return ids[0] if run is None else run


def _each_step(steps: Any, values: Any) -> FloatArray:
    """One value for each step from 0 to the last record, on straight lines between records."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"grad_norm must hold one value a step of one run, got {values.shape}")
    if not (bad := ~(np.isfinite(values) & (values >= 0))).any():
        return np.asarray(np.interp(np.arange(int(steps[-1]) + 1), steps, values))
    first = int(np.argmax(bad))
    raise ValueError(
        f"grad_norm must be finite and >= 0 at every step, got {values[first]} at {steps[first]}"
    )
