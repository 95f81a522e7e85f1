"""What a monitor recorded, as a Dataset and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from empirical import step_log, step_sums
from theory import trajectory
from theory.laws import FloatArray
from theory.trajectory import RunSpec

if TYPE_CHECKING:
    from empirical.monitor import Monitor

MUST_BE_FINITE = ("weight_norm", "effective_grad_norm", "angular_update")


def dataset(monitor: Monitor) -> xr.Dataset:
    """The records of a monitor so far, as one run.

    ``learning_rate`` is the largest that was used, ``weight_decay`` the first; a decay that changed
    is named in ``update_rule``, where it takes the exact laws away. Beside the trajectory stand
    ``n_weights``, ``beta1`` and ``beta2``, which equilibria of adaptive optimizers depend on, and
    the evidence of scale invariance, and as attributes the monitor's overhead and what it saw.

    Raises:
        ValueError: if nothing was recorded, or rate or decay are out of range.
    """
    table = monitor.log.table()
    if not len(table):
        raise ValueError("nothing was recorded: the optimizer has made no step")
    rate, decay = table[:, step_log.RATE], table[:, step_log.DECAY]
    series = step_sums.series(
        table[:, step_log.FIRST :],
        rate,
        decay,
        plain=monitor.rule.name == "sgd" and not monitor.rule.heavy,
        decoupled=monitor.rule.decoupled,
    )
    series["train_loss"] = table[:, step_log.LOSS]
    reason, end = monitor.reason, monitor.n_steps
    if reason:
        end = int(table[-1, step_log.STEP]) + 1
    if broken := _first_not_finite(series):
        name, index = broken
        end = int(table[index, step_log.STEP])
        reason = f"{name} was not finite at step {end}"
        series = {name: values[: index + 1] for name, values in series.items()}
    steps, evaluations = _evaluations(monitor, end)
    group, changing = monitor.first_group, bool(np.ptp(decay) > 0)
    run = RunSpec(
        float(rate.max()),
        float(decay[0]),
        monitor.seed,
        max(end, 1),
        float(group.get("momentum", 0.0)) if monitor.rule.heavy else 0.0,
        monitor.rule.variant,
    )
    found = trajectory.build(
        [run],
        {name: values[None] for name, values in series.items()},
        source="network",
        model=type(monitor.model).__name__,
        data=monitor.data,
        steps_per_epoch=monitor.steps_per_epoch or 1,
        evaluations={name: values[None] for name, values in evaluations.items()},
        n_steps=[end],
        reasons=[reason],
        record_every=monitor.every,
        layers=monitor.names,
        update_rule=monitor.rule.name + (" with changing decay" if changing else ""),
    )
    if evaluations:
        found = found.assign_coords(eval_step=steps)
    if reason and not broken:
        found["status"] = ("run", ["stopped"])
    if not monitor.steps_per_epoch:
        found = found.drop_vars("epoch")
    beta1, beta2 = group.get("betas", (np.nan, np.nan))[:2]
    found["n_weights"] = ("run", [sum(weight.numel() for weight in monitor.sums.weights)])
    found["beta1"], found["beta2"] = ("run", [float(beta1)]), ("run", [float(beta2)])
    # a variable, not an attribute: those hold no more than 64 kB
    evidence = str(monitor.invariance) if monitor.invariance else "weights named by the user"
    found["invariance"] = ((), evidence)
    found.attrs = _attributes(monitor)
    return trajectory.describe(found, "network")


def _first_not_finite(series: dict[str, FloatArray]) -> tuple[str, int] | None:
    """Name and record of the first quantity that is not finite."""
    places = [
        (name, int(bad[0]))
        for name in MUST_BE_FINITE
        if len(bad := np.flatnonzero(~np.isfinite(series[name])))
    ]
    return min(places, key=lambda place: place[1]) if places else None


def _evaluations(monitor: Monitor, end: int) -> tuple[list[int], dict[str, FloatArray]]:
    """Steps and quantities of the sparser measurements; NaN where one was not made."""
    rows: dict[int, dict[str, Any]] = {}
    for step, measured in monitor.layers:
        held = {name: values.cpu().numpy() for name, values in measured.items()}
        weights, gradient = held["weights"], held["gradient"]
        rows[step] = {
            "layer_weight_norm": weights,
            "layer_effective_grad_norm": weights * gradient,
        }
        if "root_sum" in held:
            total = np.linalg.norm(weights)
            rows[step]["effective_grad_sum"] = total * held["root_sum"]
    for step, values in monitor.evaluations.items():
        rows.setdefault(step, {}).update(values)
    steps = sorted(step for step in rows if step <= end)
    names = sorted({name for step in steps for name in rows[step]})
    shapes = {name: np.shape(row[name]) for row in rows.values() for name in row}
    empty = {name: np.full(shapes[name], np.nan) for name in names}
    columns = {name: np.array([rows[s].get(name, empty[name]) for s in steps]) for name in names}
    return steps, columns


def _attributes(monitor: Monitor) -> dict[str, Any]:
    """How it was measured, as text and numbers."""
    return {
        "optimizer": type(monitor.optimizer).__name__,
        "notes": "; ".join(monitor.notes),
        "record_every": monitor.every,
        "overhead": monitor.overhead,
        "search_seconds": monitor.search_seconds,
        "device": str(monitor.sums.weights[0].device),
        "torch": str(torch.__version__),
    }
