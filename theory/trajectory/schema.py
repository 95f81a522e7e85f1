"""The one schema that simulated and measured trajectories share: names, dims, units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from theory import laws
from theory.arrays import FloatArray
from theory.trajectory.runs import RunSpec
from theory.vocabulary.attributes import describe

# What every recorded run has, and what measuring it needs.
REQUIRED = (
    "weight_norm",
    "effective_lr",
    "effective_grad_norm",
    "train_loss",
    "n_steps",
    "status",
    "reason",
    "update_rule",
    "variant",
)
SERIES = ("weight_norm", "effective_lr", "effective_grad_norm", "train_loss")
# Coordinates of every run.
SETTINGS = ("learning_rate", "weight_decay", "intrinsic_lr", "momentum", "seed", "model", "data")
# Dimensions that evaluated quantities have beyond run and eval_step.
FURTHER_DIMS = {
    "layer_weight_norm": ("layer",),
    "layer_effective_grad_norm": ("layer",),
    "direction_sketch": ("sketch",),
    "test_probability": ("test_example", "class"),
}


def build(
    runs: Sequence[RunSpec],
    series: Mapping[str, FloatArray],
    *,
    source: str,
    model: str,
    data: str,
    steps_per_epoch: int,
    evaluations: Mapping[str, FloatArray] | None = None,
    eval_every: int = 1,
    n_steps: Sequence[int] | None = None,
    reasons: Sequence[str] | None = None,
    record_every: int = 1,
    layers: Sequence[str] = (),
    update_rule: str = "sgd",
) -> xr.Dataset:
    """Assemble trajectories into a Dataset.

    Args:
        runs: the runs, in order.
        series: quantities of every recorded step, (n_runs, n_records), NaN beyond a run's end;
            must hold ``weight_norm``, and ``step_learning_rate`` where the rate is not constant.
            ``effective_lr`` follows from both if it is not among them.
        source: what made them, e.g. ``"network"`` or ``"theory"``.
        model: name of the model.
        data: name of the data source.
        steps_per_epoch: optimizer steps in one pass over the data.
        evaluations: quantities of every ``eval_every``-th step, (n_runs, n_evaluations, ...).
        eval_every: steps between evaluations.
        n_steps: steps recorded of each run; all it asked for by default.
        reasons: why a run ended early, "" where it did not.
        record_every: steps between records.
        layers: names of the layers, if quantities of each were evaluated.
        update_rule: which exact laws hold: those of ``sgd`` with coupled decay, of its
            ``growing`` twin without decay, none (``sphere``, ``adamw`` and whatever else).

    Returns:
        A Dataset on ``run``, ``step`` and ``eval_step``.
    """
    n_runs = len(runs)
    reasons = list(reasons) if reasons is not None else [""] * n_runs
    learning_rate = np.array([run.learning_rate for run in runs])
    variables: dict[str, Any] = {name: (("run", "step"), values) for name, values in series.items()}
    if "effective_lr" not in series:
        rates = series.get("step_learning_rate", learning_rate[:, None])
        elr = laws.effective_lr(series["weight_norm"], rates)
        variables["effective_lr"] = (("run", "step"), elr)
    for name, values in (evaluations or {}).items():
        variables[name] = (("run", "eval_step", *FURTHER_DIMS.get(name, ())), values)
    ended = n_steps if n_steps is not None else [run.n_steps for run in runs]
    variables["n_steps"] = ("run", np.array(ended, dtype=np.int64))
    variables["status"] = ("run", ["diverged" if reason else "completed" for reason in reasons])
    variables["reason"] = ("run", reasons)
    steps = np.arange(series["weight_norm"].shape[1]) * record_every
    coordinates: dict[str, Any] = {
        "run": [run.id for run in runs],
        "step": steps,
        "epoch": ("step", steps / steps_per_epoch),
        "learning_rate": ("run", learning_rate),
        "weight_decay": ("run", np.array([run.weight_decay for run in runs])),
        "intrinsic_lr": ("run", np.array([run.intrinsic_lr for run in runs])),
        "momentum": ("run", np.array([run.momentum for run in runs])),
        "seed": ("run", np.array([run.seed for run in runs])),
        "model": ("run", [model] * n_runs),
        "data": ("run", [data] * n_runs),
        "variant": ("run", [run.variant for run in runs]),
        "update_rule": ("run", [update_rule] * n_runs),
    }
    if evaluations:
        count = next(iter(evaluations.values())).shape[1]
        coordinates["eval_step"] = np.arange(count) * eval_every
    if layers:
        coordinates["layer"] = list(layers)
    return describe(xr.Dataset(variables, coordinates), source)


def join(parts: Sequence[xr.Dataset], runs: Sequence[str]) -> xr.Dataset:
    """Put Datasets of different runs into one, in the given order of runs.

    Steps, evaluations and layers that a run does not have are NaN; ``epoch`` is left out where
    the runs' epochs differ in length.
    """
    if len(parts) == 1:
        return parts[0].sel(run=list(runs))
    lengths = {float(part["epoch"].diff("step")[:1].sum()) for part in parts}
    longest = max(parts, key=lambda part: part.sizes["step"])
    bare = [part.drop_vars("epoch") for part in parts]
    joined = xr.concat(bare, "run", data_vars="all", coords="minimal", join="outer")
    if len(lengths) == 1:
        joined = joined.assign_coords(epoch=longest["epoch"])
    return describe(joined.sel(run=list(runs)), str(parts[0]["weight_norm"].attrs["source"]))


def require(dataset: xr.Dataset, name: str) -> None:
    """Refuse a Dataset that does not hold trajectories of the schema.

    It may have been edited since it was made: runs selected, steps left out, variables dropped.

    Raises:
        ValueError: naming what it lacks, or what is wrong with its dimensions or steps.
    """
    if missing := [one for one in ("run", "step") if one not in dataset.dims]:
        raise ValueError(f"{name} holds no trajectories: it has no dimension {missing[0]}")
    if missing := [one for one in (*REQUIRED, *SETTINGS) if one not in dataset.variables]:
        raise ValueError(f"{name} holds no whole trajectories: it lacks {', '.join(missing)}")
    if empty := [one for one in ("run", "step") if not dataset.sizes[one]]:
        raise ValueError(f"{name} holds no trajectories: it has no {empty[0]}s")
    for one in (*REQUIRED, *SETTINGS):
        dims = ("run", "step") if one in SERIES else ("run",)
        if dataset[one].dims != dims:
            found = " and ".join(map(str, dataset[one].dims)) or "no dimension"
            raise ValueError(f"{name}: {one} must lie along {' and '.join(dims)}, got {found}")
    _require_even_steps(dataset["step"].values, name)


def _require_even_steps(steps: Any, name: str) -> None:
    """Refuse records that are not the same number of optimizer steps apart."""
    if not np.issubdtype(steps.dtype, np.number) or not np.isfinite(steps).all():
        raise ValueError(f"{name}: step must count optimizer steps, got {steps.dtype} values")
    gaps = np.unique(np.diff(steps))
    if len(gaps) > 1 or (len(gaps) and gaps[0] <= 0) or steps[0] < 0:
        spans = ", ".join(f"{gap:g}" for gap in gaps[:4])
        raise ValueError(
            f"{name}: records must be evenly apart in steps, got gaps of {spans}; keep every k-th "
            "of the whole record, or a part without gaps"
        )
