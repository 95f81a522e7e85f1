"""What a run recorded, read out of a Dataset of the schema once and passed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self, TypeAlias

import numpy as np
import xarray as xr

from theory import laws
from theory.arrays import BoolArray, FloatArray
from theory.trajectory.jumps import Jumps, find_jumps
from theory.trajectory.layout import is_told

SAME_RATE = 1e-6  # relative difference within which learning rates are one
MOST_DECAY = 0.99  # share of the norm that is counted for a step, however large the rate
SAME_THINNED = 2e-3  # the same, rebuilt from the four digits of a thinned study


def record_every(dataset: xr.Dataset) -> int:
    """Optimizer steps from one record to the next; 1 where there is only one."""
    steps = dataset["step"].values
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1


def recorded(dataset: xr.Dataset, run: str, name: str) -> FloatArray:
    """One quantity of one run over the steps it recorded before its end, (n_records,).

    NaN where the quantity was not recorded.
    """
    known = dataset["step"].values < int(dataset["n_steps"].sel(run=run))
    if name not in dataset:
        return np.full(int(known.sum()), np.nan)
    return np.asarray(dataset[name].sel(run=run).values[known])


def recorded_with(dataset: xr.Dataset, run: str, name: str) -> str | float | None:
    """What a monitor says of how it recorded a run, such as ``weights_dtype``; None if unknown.

    It stands along ``run``. Files of earlier versions say it as an attribute, which is that of the
    first run where several were joined, and counts where there is one.
    """
    if name in dataset:
        found: str | float = dataset[name].sel(run=run).item()
        return found if is_told(found) else None
    return dataset.attrs.get(name) if dataset.sizes["run"] == 1 else None


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """One run of a Dataset: its setting, what it recorded until its end, and its jumps.

    Series have one entry a record, (n_records,), ``every`` steps apart.

    Attributes:
        id: of the run.
        learning_rate: eta; the nominal one where it follows a schedule.
        weight_decay: lam.
        momentum: heavy-ball coefficient.
        update_rule: which exact laws hold, see ``schema.build``.
        finite: whether the run stayed finite to its end.
        start: step of the first record.
        every: steps between records.
        weight_norm: rho before the step.
        effective_lr: eta over the squared norm.
        effective_grad_norm: g of the step.
        angular_update: angle of the step, rad; NaN where it was not recorded.
        train_loss: loss of the step's batch, nats; NaN where it was not recorded.
        step_learning_rate: eta of the step.
        update_norm: ``|z|``, where the update is not the gradient (momentum, clipping); else None.
        radial_update: ``<u, z>``, likewise.
        next_weight_norm: rho right after the step, where that was recorded; else None.
        whole_gradient: whether every weight had a gradient in the step.
        stopped: whether the run went on after its records end.
    """

    id: str
    learning_rate: float
    weight_decay: float
    momentum: float
    update_rule: str
    finite: bool
    start: int
    every: int
    weight_norm: FloatArray
    effective_lr: FloatArray
    effective_grad_norm: FloatArray
    angular_update: FloatArray
    train_loss: FloatArray
    step_learning_rate: FloatArray
    update_norm: FloatArray | None
    radial_update: FloatArray | None
    next_weight_norm: FloatArray | None
    whole_gradient: BoolArray
    stopped: bool = False

    @classmethod
    def of(cls, trajectories: xr.Dataset, run: str) -> Self:
        """Read one run of a Dataset of the schema."""
        one = trajectories.sel(run=run)
        series = partial(recorded, trajectories, run)
        norm, elr = series("weight_norm"), series("effective_lr")
        status = str(one["status"].values)
        moved = series("next_weight_norm")
        general = bool(np.isfinite(series("effective_update_norm")[:1]).any())
        return cls(
            id=run,
            learning_rate=float(one["learning_rate"]),
            weight_decay=float(one["weight_decay"]),
            momentum=float(one["momentum"]),
            update_rule=str(one["update_rule"].values),
            finite=status != "diverged",
            start=int(trajectories["step"].values[0]),
            every=record_every(trajectories),
            weight_norm=norm,
            effective_lr=elr,
            effective_grad_norm=series("effective_grad_norm"),
            angular_update=series("angular_update"),
            train_loss=series("train_loss"),
            step_learning_rate=_rates(one, series("step_learning_rate"), elr, norm),
            update_norm=series("effective_update_norm") if general else None,
            radial_update=series("radial_update") if general else None,
            next_weight_norm=moved if np.isfinite(moved[:1]).any() else None,
            whole_gradient=series("whole_gradient") != 0,  # NaN where nothing was missing
            stopped=status == "stopped",
        )

    @property
    def decay(self) -> float:
        """Share of the norm that decay takes in a step; see ``laws.long_run_decay``."""
        return laws.long_run_decay(self.learning_rate, self.weight_decay, self.momentum)

    @cached_property
    def scheduled(self) -> bool:
        """Whether the learning rate changes in time."""
        rates = self.step_learning_rate
        return not np.allclose(rates, self.learning_rate, rtol=SAME_RATE, atol=0)

    @cached_property
    def log_elr(self) -> FloatArray:
        """``ln(effective_lr)`` at the nominal learning rate, so that it falls where rho grows.

        For the growing twin of a run with decay it is that run's: the two share their effective
        learning rate, not their norm.
        """
        if self.update_rule == "growing":
            return np.asarray(np.log(self.effective_lr))
        return np.asarray(np.log(laws.effective_lr(self.weight_norm, self.learning_rate)))

    @cached_property
    def rise_by_decay(self) -> FloatArray:
        """By which decay alone would have raised ``log_elr`` until each record, (n_records,).

        At the rates that it was trained with, between two records at that of the first; for the
        growing twin at that of the run with decay, whose effective learning rate it has.
        """
        known = np.isfinite(self.step_learning_rate) & (self.update_rule != "growing")
        used = np.where(known, self.step_learning_rate, self.learning_rate)
        rates, index = np.unique(used, return_inverse=True)
        shares = [laws.long_run_decay(r, self.weight_decay, self.momentum) for r in rates]
        rises = [self.every * laws.decay_rate(min(share, MOST_DECAY)) for share in shares]
        return np.concatenate([[0.0], np.cumsum(np.array(rises)[index][:-1])])

    @cached_property
    def jumps(self) -> Jumps:
        """Where the norm jumps; none in fewer than three records."""
        if len(self.log_elr) < 3:
            empty = np.empty(0, dtype=np.int64)
            return Jumps(empty, empty, 0, max(len(self.log_elr) - 1, 0))
        return find_jumps(self.log_elr)


Runs: TypeAlias = Mapping[str, RecordedRun]


def read_runs(trajectories: xr.Dataset) -> dict[str, RecordedRun]:
    """All runs of a Dataset of the schema, by id and in its order."""
    return {str(run): RecordedRun.of(trajectories, str(run)) for run in trajectories["run"].values}


def _rates(one: xr.Dataset, stored: FloatArray, elr: FloatArray, norm: FloatArray) -> FloatArray:
    """Learning rate of each record: as stored; the run's own where it is constant.

    Files of earlier versions hold none; there it follows from ``elr rho^2``, to the digits that
    both were kept with.
    """
    if np.isfinite(stored).any():
        return stored
    constant = np.full(len(norm), float(one["learning_rate"]))
    with np.errstate(invalid="ignore"):
        rebuilt = elr * norm**2
    close = SAME_THINNED if norm.dtype == np.float32 else SAME_RATE
    return constant if np.allclose(rebuilt, constant, rtol=close, atol=0) else rebuilt
