"""Exact laws (level 0) and one-number theory (level 1) held against a trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.measure.laws.law_failures import explain
from theory import laws
from theory.arrays import FloatArray
from theory.laws import equilibrium
from theory.trajectory import RecordedRun, Runs
from theory.vocabulary import VARIABLES

SMALLEST_ANGLE = 1e-4
EXACT = ("sgd", "growing")  # update rules whose exact laws are known
RESIDUALS = ("norm_law_residual", "elr_law_residual", "angle_law_residual", "jump_agreement")


def norm_law_residual(steps: Steps) -> float:
    """Largest relative deviation of ``rho'^2`` from the norm law over all steps."""
    return _largest((steps.moved / steps.next_weight_norm()[: len(steps.moved)]) ** 2 - 1)


def elr_law_residual(steps: Steps) -> float:
    """Largest relative deviation of phi from ``phi' = B phi / (1 - 2 phi c + phi^2 |z|^2)``."""
    known = slice(len(steps.moved))
    phi, rate, decay = steps.reduced_lr[known], steps.learning_rate[known], steps.weight_decay
    update, radial, later = (
        steps.update_norm[known],
        steps.radial_update[known],
        steps.next_learning_rate,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        predicted = laws.next_reduced_lr_with_momentum(
            phi, update, radial, rate, decay, later, decay
        )
        following = laws.reduced_lr(steps.moved, later, decay)
    moves = (rate > 0) & (later > 0)  # a warm-up may start at rate 0, where phi is 0
    return _largest((following[moves] / predicted[moves]) - 1)


def angle_law_residual(steps: Steps) -> float:
    """Largest relative deviation of the measured angle from the law; ``tan(theta) = phi g``.

    Directions are rounded to float32, so an angle is known to 1e-7 at best: smaller ones than
    1e-4 count as that.
    """
    phi, c = steps.reduced_lr, steps.radial_update
    tangential = np.sqrt(np.maximum(steps.update_norm**2 - c**2, 0))
    predicted = np.arctan2(phi * tangential, 1 - phi * c)
    return _largest((steps.angular_update - predicted) / np.maximum(predicted, SMALLEST_ANGLE))


def jump_agreement(steps: Steps) -> float:
    """Share of steps on which angle and criterion agree that the step is a delta-jump.

    With ``delta = eta lam``, the angle above which the norm grows. The criterion is that of plain
    SGD. NaN where no angle was recorded, as of a toy.
    """
    known = np.isfinite(steps.angular_update)
    delta = steps.learning_rate * steps.weight_decay
    turned = steps.angular_update > laws.stationary_angle(delta)
    setting = (steps.learning_rate, steps.weight_decay)
    said = laws.is_delta_jump(steps.weight_norm, steps.update_norm, *setting, delta)
    return float(np.mean((turned == said)[known])) if known.any() else float("nan")


@dataclass(frozen=True)
class Steps:
    """What the exact laws relate, at the steps of one run; arrays are (n_steps,).

    Where the norm after each step was recorded, steps are held to the laws one by one, whatever
    happened between them; else the next record is what a step led to, and ``moved`` is one shorter.

    Attributes:
        weight_norm: rho before each step.
        update_norm: ``|z|``, which is g for plain SGD.
        radial_update: ``c = <u, z>``, which is 0 for plain SGD.
        learning_rate: eta of each step.
        weight_decay: lam as applied; 0 for the growing twin.
        angular_update: angle of each step, rad.
        moved: rho after each step.
        next_learning_rate: eta at which phi after each step is taken, as many.
    """

    weight_norm: FloatArray
    update_norm: FloatArray
    radial_update: FloatArray
    learning_rate: FloatArray
    weight_decay: float
    angular_update: FloatArray
    moved: FloatArray
    next_learning_rate: FloatArray

    @classmethod
    def of(cls, run: RecordedRun) -> Steps:
        """The steps of a run, without those in which a weight had no gradient."""
        update, radial = run.update_norm, run.radial_update
        if update is None or radial is None:
            update, radial = run.effective_grad_norm, np.zeros_like(run.effective_grad_norm)
        decay = 0.0 if run.update_rule == "growing" else run.weight_decay
        rho, rate, angle = run.weight_norm, run.step_learning_rate, run.angular_update
        if run.next_weight_norm is None:
            return cls(rho, update, radial, rate, decay, angle, rho[1:], rate[1:])
        series = (rho, update, radial, rate, angle, run.next_weight_norm)
        rho, update, radial, rate, angle, moved = (one[run.whole_gradient] for one in series)
        return cls(rho, update, radial, rate, decay, angle, moved, rate)

    @property
    def reduced_lr(self) -> FloatArray:
        """``phi = elr / a`` before each step."""
        phi = laws.reduced_lr(self.weight_norm, self.learning_rate, self.weight_decay)
        return np.asarray(phi)

    def next_weight_norm(self) -> FloatArray:
        """``rho' = a rho |u - phi z|``; the norm law for any update with coupled decay."""
        phi, c = self.reduced_lr, self.radial_update
        tangential = phi**2 * (self.update_norm**2 - c**2)
        shrunk = (1 - self.learning_rate * self.weight_decay) * self.weight_norm
        return np.asarray(shrunk * np.sqrt((1 - phi * c) ** 2 + tangential))


def check_laws(
    runs: Runs, recorded_with: Mapping[str, Mapping[str, Any]] | None = None
) -> xr.Dataset:
    """Level 0 for every run: residuals of the exact laws, along ``run``.

    NaN with ``reason_norm_law_residual`` where no exact law is known for the update, or steps
    between the recorded ones are missing. Where a law was checked and fails,
    ``reason_norm_law_residual`` says what the record shows of the cause.

    Args:
        runs: the runs.
        recorded_with: ``weights_dtype``, ``optimizer`` and ``normalisation_eps`` of each run, by
            its id, where they are known.
    """
    known = recorded_with or {}
    rows = [_check_run(run, known.get(name, {})) for name, run in runs.items()]
    names = {name: None for row in rows for name in row}
    columns = {name: ("run", [row.get(name, np.nan) for row in rows]) for name in names}
    return xr.Dataset(columns, {"run": list(runs)})


def _check_run(run: RecordedRun, recorded_with: Mapping[str, Any]) -> dict[str, float | str]:
    """Residuals of one run, by name."""
    if reason := _cannot_check(run):
        return {**dict.fromkeys(RESIDUALS, np.nan), "reason_norm_law_residual": reason}
    steps = Steps.of(run)
    plain = steps.weight_decay > 0 and run.update_norm is None
    residual = norm_law_residual(steps)
    fails = residual > (VARIABLES["norm_law_residual"].high or 0.0)
    return {
        "norm_law_residual": residual,
        "elr_law_residual": elr_law_residual(steps),
        "angle_law_residual": angle_law_residual(steps),
        "jump_agreement": jump_agreement(steps) if plain else np.nan,
        "reason_norm_law_residual": explain(run, **recorded_with) if fails else "",
    }


def _cannot_check(run: RecordedRun) -> str:
    """Why no law can be held against a run; "" where one can."""
    if run.update_rule not in EXACT:
        return f"no exact law is known for the update rule {run.update_rule}"
    if run.every > 1 and run.next_weight_norm is None:
        return f"records are {run.every} steps apart, and the exact laws relate consecutive steps"
    if not run.whole_gradient.any() and len(run.whole_gradient):
        return "in every step some weight had no gradient, and the optimizer left it alone"
    return ""


def equilibrium_from_gradient(observed: xr.Dataset) -> xr.DataArray:
    """Level 1: equilibrium norm of each run from its own mean squared effective gradient."""
    names = ("learning_rate", "weight_decay", "mean_squared_g", "momentum")
    norms = [
        equilibrium.sgd_with_momentum(lr, wd, p, momentum=momentum).norm
        if np.isfinite(p) and p > 0 and wd > 0
        else np.nan
        for lr, wd, p, momentum in zip(*(observed[name].values for name in names), strict=True)
    ]
    return xr.DataArray(norms, {"run": observed["run"].values}, ["run"])


def _largest(deviation: FloatArray) -> float:
    """Largest absolute value; NaN where there is none."""
    return float(np.abs(deviation).max()) if len(deviation) else float("nan")
