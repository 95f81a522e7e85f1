"""The one schema that simulated and measured trajectories share: names, dims, units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from theory import laws, validate
from theory.laws import FloatArray


@dataclass(frozen=True)
class RunSpec:
    """One training run: what distinguishes it from the other runs of its study.

    Attributes:
        learning_rate: eta, above 0.
        weight_decay: lam, 0 or more; ``eta lam < 1``.
        seed: seeds initialisation and data order.
        n_steps: number of optimizer steps.
        momentum: heavy-ball coefficient, from 0 to below 1.
        variant: what else distinguishes the run, in a word or two; "" for nothing.

    Raises:
        ValueError: if a value is out of range.
    """

    learning_rate: float
    weight_decay: float
    seed: int
    n_steps: int
    momentum: float = 0.0
    variant: str = ""

    def __post_init__(self) -> None:
        validate.setting(self.learning_rate, self.weight_decay)
        validate.fraction("momentum", self.momentum)
        validate.at_least("seed", self.seed, 0)
        validate.at_least("n_steps", self.n_steps, 1)

    @property
    def id(self) -> str:
        """Readable and unique name, the value of the ``run`` coordinate."""
        setting = setting_id(
            self.learning_rate, self.weight_decay, momentum=self.momentum, variant=self.variant
        )
        return f"{setting}-seed{self.seed}"

    @property
    def intrinsic_lr(self) -> float:
        """``eta lam``."""
        return self.learning_rate * self.weight_decay


def setting_id(
    learning_rate: float, weight_decay: float, *, momentum: float = 0.0, variant: str = ""
) -> str:
    """Name of a setting, e.g. ``lr0.5-wd0.001``; different for different numbers."""
    rate, decay, heavy = (
        repr(float(x)).removesuffix(".0") for x in (learning_rate, weight_decay, momentum)
    )
    prefix = variant.replace(" ", "-") + "-" if variant else ""
    return f"{prefix}lr{rate}-wd{decay}" + (f"-m{heavy}" if momentum else "")


def setting_of(run: str) -> str:
    """Id of the setting that a run belongs to: its own without the seed."""
    return str(run).rpartition("-seed")[0]


@dataclass(frozen=True)
class Variable:
    """Attributes of a variable, from which labels and tables are made."""

    symbol: str
    long_name: str
    units: str = "1"


VARIABLES: dict[str, Variable] = {
    "learning_rate": Variable("η", "learning rate"),
    "weight_decay": Variable("λ", "weight decay"),
    "intrinsic_lr": Variable("ηλ", "intrinsic learning rate"),
    "momentum": Variable("m", "momentum"),
    "variant": Variable("", "variant"),
    "update_rule": Variable("", "update rule"),
    "step": Variable("t", "optimizer step", "steps"),
    "eval_step": Variable("t", "optimizer step of an evaluation", "steps"),
    "cycle": Variable("k", "period, counted from the first rise"),
    "ensemble_size": Variable("k", "number of minima together"),
    "epoch": Variable("e", "epoch", "epochs"),
    "n_steps": Variable("N", "optimizer steps done", "steps"),
    "weight_norm": Variable("ρ", "weight norm"),
    "effective_lr": Variable("η/ρ²", "effective learning rate"),
    "effective_grad_norm": Variable("g", "effective gradient norm"),
    "angular_update": Variable("θ", "angle between successive weights", "rad"),
    "effective_update_norm": Variable("|z|", "effective update norm"),
    "radial_update": Variable("⟨u, z⟩", "radial part of the effective update"),
    "train_loss": Variable("L", "training loss", "nats"),
    "n_weights": Variable("C", "number of scale-invariant weights"),
    "beta1": Variable("β₁", "decay of the first moment"),
    "beta2": Variable("β₂", "decay of the second moment"),
    "effective_grad_sum": Variable("s", "sum of root mean square effective gradients"),
    "test_loss": Variable("L_test", "test loss", "nats"),
    "test_error": Variable("E_test", "test error"),
    "layer_weight_norm": Variable("ρ_l", "weight norm of a layer"),
    "layer_effective_grad_norm": Variable("g_l", "effective gradient norm of a layer"),
    "direction_sketch": Variable("S u", "random projection of the direction of the weights"),
    "test_probability": Variable("p", "class probabilities of test examples"),
    "test_label": Variable("y", "class of test examples"),
    "probe_loss": Variable("L", "loss on fixed training examples", "nats"),
    "probe_effective_grad_norm": Variable("g", "effective gradient norm on fixed examples"),
    "spherical_sharpness": Variable("S", "spherical sharpness on fixed examples"),
    "spherical_sharpness_residual": Variable("r", "residual of the sharpness's eigenvector"),
}


# Dimensions that evaluated quantities have beyond run and eval_step.
FURTHER_DIMS = {
    "layer_weight_norm": ("layer",),
    "layer_effective_grad_norm": ("layer",),
    "direction_sketch": ("sketch",),
    "test_probability": ("test_example", "class"),
}


def describe(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Give every variable of the vocabulary its units, long name, symbol and source."""
    for name, variable in VARIABLES.items():
        if name in dataset.variables:
            attributes = {**vars(variable), "source": source}
            dataset[name].attrs = attributes
    return dataset


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
            must hold ``weight_norm``, from which ``effective_lr`` is derived at a constant
            learning rate if it is not among them.
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
        elr = laws.effective_lr(series["weight_norm"], learning_rate[:, None])
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
    bare = [part.drop_vars("epoch") for part in parts]
    joined = xr.concat(bare, "run", data_vars="all", coords="minimal", join="outer")
    if len(lengths) == 1:
        joined = joined.assign_coords(epoch=joined["step"] * lengths.pop())
    return describe(joined.sel(run=list(runs)), str(parts[0]["weight_norm"].attrs["source"]))


def record_every(dataset: xr.Dataset) -> int:
    """Optimizer steps from one record to the next; 1 where there is only one."""
    steps = dataset["step"].values
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1


def recorded(dataset: xr.Dataset, run: str, name: str) -> FloatArray:
    """One quantity of one run over the steps it recorded before its end, (n_records,)."""
    known = dataset["step"].values < int(dataset["n_steps"].sel(run=run))
    return np.asarray(dataset[name].sel(run=run).values[known])
