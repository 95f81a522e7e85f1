"""What a monitor recorded, as a Dataset and as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr
from torch import Tensor

from empirical.monitor import step_log, step_sums
from empirical.monitor.channels import Channels
from empirical.monitor.optimizer import as_json
from empirical.monitor.update_rule import Rule
from theory import files, trajectory
from theory.arrays import FloatArray
from theory.trajectory import RunSpec
from theory.vocabulary.attributes import describe

OF_THE_RUN = ("weights_dtype", "normalisation_eps", "largest_matrix")
MUST_BE_FINITE = ("weight_norm", "effective_grad_norm", "angular_update")


@dataclass(frozen=True)
class Records:
    """What a monitor has seen.

    Attributes:
        table: a row for each record, with the columns of ``step_log``.
        layers: norms of each layer's weights and gradient, by step.
        channels: norms of each output channel; None where they were not recorded.
        evaluations: test losses and errors, by step.
        rule: how the optimizer moves the weights.
        optimizer: where its class comes from and its name.
        named: the rule that the user named, "" if none.
        group: settings of the optimizer for the weights that are followed, as they were first.
        changed: which of them changed, a sentence; "" if none did.
        weights: names of these weights.
        n_weights: number of their elements.
        every: steps between records.
        n_steps: optimizer steps seen.
        reason: why the records end early, "" where they do not.
        cut: whether steps that came after the last record were not followed.
        model: name of the network.
        data: name of the data.
        seed: of the run.
        steps_per_epoch: optimizer steps in one pass over the data, 0 if unknown.
        evidence: what is known of the scale invariance of each parameter.
        attributes: how all this was measured.
    """

    table: FloatArray
    layers: Sequence[tuple[int, Mapping[str, Tensor]]]
    channels: Channels | None
    evaluations: Mapping[int, Mapping[str, float]]
    rule: Rule
    optimizer: str
    named: str
    group: Mapping[str, Any]
    changed: str
    weights: Sequence[str]
    n_weights: int
    every: int
    n_steps: int
    reason: str
    cut: bool
    model: str
    data: str
    seed: int
    steps_per_epoch: int
    evidence: str
    attributes: dict[str, Any]


def dataset(records: Records) -> xr.Dataset:
    """The records of a monitor so far, as one run.

    ``learning_rate`` is the largest that was used, ``weight_decay`` the first; ``update_rule`` says
    if the decay changed, since the exact laws do not hold then. ``optimizer``, its options in
    ``optimizer_settings`` and ``settings_changed`` are what an equilibrium is asked of, besides
    ``n_weights``; those of ``OF_THE_RUN`` explain a law that fails; ``invariance`` is the evidence.
    ``whole_gradient`` is there where a weight had no gradient in some step, and 0 in these.

    Raises:
        ValueError: if the learning rate was 0 throughout, or rate or decay are out of range.
    """
    table = records.table
    rate, decay = table[:, step_log.RATE], table[:, step_log.DECAY]
    series = step_sums.series(
        table[:, step_log.FIRST :],
        rate,
        decay,
        plain=records.rule.name == "sgd" and not records.rule.heavy,
        decoupled=records.rule.decoupled,
    )
    series["train_loss"] = table[:, step_log.LOSS]
    if not rate.any():
        raise ValueError("the learning rate was 0 in every step so far, so nothing has moved")
    if np.ptp(rate) > 0:
        series["step_learning_rate"] = rate
    if not table[:, step_log.WHOLE].all():
        series["whole_gradient"] = table[:, step_log.WHOLE]
    series, end, reason, status = _ending(records, series)
    steps, evaluations = _evaluations(records, end)
    group, changing = records.group, bool(np.ptp(decay) > 0)
    run = RunSpec(
        float(rate.max()),
        float(decay[0]),
        records.seed,
        max(end, 1),
        float(group.get("momentum", 0.0)) if records.rule.heavy else 0.0,
        records.rule.variant,
    )
    found = trajectory.build(
        [run],
        {name: values[None] for name, values in series.items()},
        source="network",
        model=records.model,
        data=records.data,
        steps_per_epoch=records.steps_per_epoch or 1,
        evaluations={name: values[None] for name, values in evaluations.items()},
        n_steps=[end],
        reasons=[reason],
        record_every=records.every,
        layers=records.weights,
        update_rule=records.rule.name + (" with changing decay" if changing else ""),
    )
    if evaluations:
        found = found.assign_coords(eval_step=steps)
    if status:
        found["status"] = ("run", [status])
    if not records.steps_per_epoch:
        found = found.drop_vars("epoch")
    beta1, beta2 = _betas(group)
    asked = {
        "n_weights": records.n_weights,
        "beta1": beta1,
        "beta2": beta2,
        "optimizer": records.named or records.optimizer,
        "optimizer_settings": json.dumps(as_json(group)),
        "settings_changed": records.changed,
    }
    # attributes are those of the first where several runs are joined
    asked |= {name: records.attributes[name] for name in OF_THE_RUN}
    found = found.assign({name: ("run", [value]) for name, value in asked.items()})
    found = _with_channels(found, records, end)
    # a variable, not an attribute: those hold no more than 64 kB
    found["invariance"] = ((), records.evidence)
    found.attrs = dict(records.attributes)
    return describe(found, "network")


def save(path: Path, found: xr.Dataset) -> None:
    """Write the Dataset of a monitor, over nothing but another one.

    Raises:
        FileExistsError: if something else is there.
        OSError: if it cannot be written; an older file stays.
    """
    files.check_ours(path, "monitor's file", _is_of_a_monitor)
    files.write_dataset(path, found)


def _is_of_a_monitor(path: Path) -> bool:
    try:
        with h5netcdf.File(path, "r") as file:
            return {"weight_norm", "invariance"} <= set(file.variables)
    except OSError:  # no netCDF file
        return False


def _betas(group: Mapping[str, Any]) -> tuple[float, float]:
    """The first two decays of an adaptive optimizer's moments; NaN where it has none."""
    betas = group.get("betas")
    if not isinstance(betas, tuple | list) or len(betas) < 2:
        return float("nan"), float("nan")
    return float(betas[0]), float(betas[1])


def _with_channels(found: xr.Dataset, records: Records, end: int) -> xr.Dataset:
    """Add what was recorded of each channel, on steps of its own."""
    if records.channels is None:
        return found
    steps, series = records.channels.series()
    kept = [i for i, step in enumerate(steps) if step <= end]
    if not kept:
        return found
    dims = ("run", "channel_step", "channel")
    variables = {name: (dims, values[None, kept]) for name, values in series.items()}
    coordinates = {
        "channel_step": [steps[i] for i in kept],
        "channel": records.channels.names,
        "channel_layer": ("channel", records.channels.layers),
    }
    return found.assign(variables).assign_coords(coordinates)


def _ending(
    records: Records, series: dict[str, FloatArray]
) -> tuple[dict[str, FloatArray], int, str, str]:
    """The series up to where they are finite, the step they end at, why, and a status if early."""
    if broken := _first_not_finite(series):
        name, index = broken
        end = int(records.table[index, step_log.STEP])
        kept = {key: values[: index + 1] for key, values in series.items()}
        return kept, end, f"{name} was not finite at step {end}", ""
    if records.reason:
        end = int(records.table[-1, step_log.STEP]) + 1 if records.cut else records.n_steps
        return series, end, records.reason, "stopped"
    return series, records.n_steps, "", ""


def _first_not_finite(series: dict[str, FloatArray]) -> tuple[str, int] | None:
    """Name and record of the first quantity that is not finite."""
    places = [
        (name, int(bad[0]))
        for name in MUST_BE_FINITE
        if len(bad := np.flatnonzero(~np.isfinite(series[name])))
    ]
    return min(places, key=lambda place: place[1]) if places else None


def _evaluations(records: Records, end: int) -> tuple[list[int], dict[str, FloatArray]]:
    """Steps and quantities of the sparser measurements; NaN where one was not made."""
    rows: dict[int, dict[str, Any]] = {}
    for step, measured in records.layers:
        held = {name: values.cpu().numpy() for name, values in measured.items()}
        weights, gradient = held["weights"], held["gradient"]
        rows[step] = {
            "layer_weight_norm": weights,
            "layer_effective_grad_norm": weights * gradient,
        }
        if "root_sum" in held:
            total = np.linalg.norm(weights)
            rows[step]["effective_grad_sum"] = total * held["root_sum"]
    for step, values in records.evaluations.items():
        rows.setdefault(step, {}).update(values)
    steps = sorted(step for step in rows if step <= end)
    names = sorted({name for step in steps for name in rows[step]})
    shapes = {name: np.shape(row[name]) for row in rows.values() for name in row}
    empty = {name: np.full(shapes[name], np.nan) for name in names}
    columns = {name: np.array([rows[s].get(name, empty[name]) for s in steps]) for name in names}
    return steps, columns
