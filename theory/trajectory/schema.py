"""The one schema that simulated and measured trajectories share: names, dims, units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from theory import laws
from theory.arrays import FloatArray
from theory.trajectory.layout import DIMS
from theory.trajectory.runs import RunSpec
from theory.vocabulary.attributes import describe


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
        variables[name] = (DIMS.get(name, ("run", "eval_step")), values)
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
    source = parts[0]["weight_norm"].attrs.get("source", "network")
    return describe(joined.sel(run=list(runs)), str(source))
