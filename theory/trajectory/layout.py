"""What a Dataset of trajectories must look like: dimensions and kinds of its variables.

A file may have been edited since it was made: runs selected, steps left out, variables dropped,
columns converted. What is read here is checked here, so that readers need not look again.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from theory import validate

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
# Coordinates of every run.
SETTINGS = ("learning_rate", "weight_decay", "intrinsic_lr", "momentum", "seed", "model", "data")
FINITE = ("learning_rate", "weight_decay", "intrinsic_lr", "momentum", "n_steps")
# Series that are above 0, or not below, in every record before the end of a run.
POSITIVE = ("weight_norm", "next_weight_norm", "ode_weight_norm")
# The rates are 0 at the start of a warm-up and at the end of a decay.
RATES = ("effective_lr", "step_learning_rate")
NOT_NEGATIVE = (*RATES, "effective_grad_norm", "effective_update_norm")
TEXTS = frozenset(
    {
        *("run", "status", "reason", "update_rule", "variant", "model", "data"),
        *("optimizer", "optimizer_settings", "settings_changed"),
        *("weights_dtype", "largest_matrix"),
        *("layer", "channel", "channel_layer"),
    }
)
_STEPS, _EVALUATIONS = ("run", "step"), ("run", "eval_step")
_CHANNELS = ("run", "channel_step", "channel")
DIMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*REQUIRED, *SETTINGS), ("run",)),
    **dict.fromkeys(("optimizer", "optimizer_settings", "settings_changed"), ("run",)),
    **dict.fromkeys(("weights_dtype", "normalisation_eps", "largest_matrix"), ("run",)),
    **dict.fromkeys(("n_weights", "n_layers", "n_kernels"), ("run",)),
    **dict.fromkeys(("n_examples", "n_classes"), ("run",)),
    **dict.fromkeys(("beta1", "beta2", "equilibrium_norm", "settling_steps"), ("run",)),
    **dict.fromkeys(("weight_norm", "effective_lr", "effective_grad_norm", "train_loss"), _STEPS),
    **dict.fromkeys(("next_weight_norm", "ode_weight_norm", "angular_update"), _STEPS),
    **dict.fromkeys(("effective_update_norm", "radial_update", "whole_gradient"), _STEPS),
    "step_learning_rate": _STEPS,
    "measured_weight_norm": ("step",),
    **dict.fromkeys(("test_loss", "test_error", "effective_grad_sum", "probe_loss"), _EVALUATIONS),
    "probe_effective_grad_norm": _EVALUATIONS,
    "spherical_sharpness": _EVALUATIONS,
    "spherical_sharpness_residual": _EVALUATIONS,
    "layer_weight_norm": (*_EVALUATIONS, "layer"),
    "layer_effective_grad_norm": (*_EVALUATIONS, "layer"),
    "direction_sketch": (*_EVALUATIONS, "sketch"),
    "test_probability": (*_EVALUATIONS, "test_example", "class"),
    "test_label": ("run", "test_example"),
    "channel_weight_norm": _CHANNELS,
    "channel_effective_grad_norm": _CHANNELS,
    "channel_angular_update": _CHANNELS,
    "channel_layer": ("channel",),
    "epoch": ("step",),
    **{name: (name,) for name in ("run", "step", "eval_step", "layer", "channel", "channel_step")},
}
# What is recorded together and read together.
COMPANIONS = {
    **dict.fromkeys(("layer_weight_norm", "layer_effective_grad_norm"), ("layer", "eval_step")),
    **dict.fromkeys(("channel_weight_norm", "channel_effective_grad_norm"), ("channel_layer",)),
    "effective_update_norm": ("radial_update",),
    "optimizer": ("optimizer_settings", "n_weights"),
}
NUMBERS_OF_A_FILE = ("overhead", "normalisation_eps", "record_every", "search_seconds")


def require(dataset: xr.Dataset, name: str) -> None:
    """Refuse a Dataset that does not hold trajectories of the schema.

    Raises:
        ValueError: naming what it lacks, or what is wrong with its variables or steps.
    """
    if missing := [one for one in ("run", "step") if one not in dataset.dims]:
        raise ValueError(f"{name} holds no trajectories: it has no dimension {missing[0]}")
    held = dataset.variables
    if missing := [one for one in (*REQUIRED, *SETTINGS, "run", "step") if one not in held]:
        raise ValueError(f"{name} holds no whole trajectories: it lacks {', '.join(missing)}")
    if empty := [one for one in ("run", "step") if not dataset.sizes[one]]:
        raise ValueError(f"{name} holds no trajectories: it has no {empty[0]}s")
    check(dataset, name)
    _require_even_steps(dataset["step"].values, name)


def check(dataset: xr.Dataset, name: str) -> None:
    """Refuse a Dataset whose variables, as far as they are known, are not of the schema.

    Raises:
        ValueError: naming the first that is not.
    """
    check_variables(dataset, name, DIMS, texts=TEXTS)
    for one, others in COMPANIONS.items():
        if one in dataset and (missing := [each for each in others if each not in dataset]):
            raise ValueError(f"{name} holds {one} without {', '.join(missing)}")
    for one in FINITE:
        if one in dataset and not np.isfinite(dataset[one].values).all():
            raise ValueError(f"{name}: {one} must be finite, got {dataset[one].values.tolist()}")
    if "run" in dataset.coords and not dataset.indexes["run"].is_unique:
        raise ValueError(f"{name}: ids of runs must differ from each other")
    _check_settings(dataset, name)
    _check_series(dataset, name)
    _check_attributes(dataset, name)


def _check_settings(dataset: xr.Dataset, name: str) -> None:
    """Refuse settings that nothing can be trained with."""
    if {"learning_rate", "weight_decay", "momentum"} <= set(dataset.variables):
        numbers = (dataset[one].values for one in ("learning_rate", "weight_decay", "momentum"))
        for rate, decay, momentum in set(zip(*(one.tolist() for one in numbers), strict=True)):
            try:
                validate.setting(rate, decay)
                validate.fraction("momentum", momentum)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    for one in ("intrinsic_lr", "n_steps"):
        if one in dataset and (dataset[one] < 0).any():
            raise ValueError(f"{name}: {one} must be >= 0, got {dataset[one].values.tolist()}")


def _check_series(dataset: xr.Dataset, name: str) -> None:
    """Refuse norms and rates that are 0 or less where a run recorded them; they may be NaN."""
    for one in (*POSITIVE, *NOT_NEGATIVE):
        if one not in dataset:
            continue
        series = dataset[one]
        bad = series <= 0 if one in POSITIVE else series < 0
        if "n_steps" in dataset and "step" in dataset.coords:
            bad = bad & (dataset["step"] < dataset["n_steps"])
        if bad.any():
            bound = "above 0" if one in POSITIVE else ">= 0"
            first = series.values[bad.transpose(*series.dims).values][0]
            raise ValueError(f"{name}: {one} must be {bound} wherever it was recorded, got {first}")


def _check_attributes(dataset: xr.Dataset, name: str) -> None:
    """Refuse what a monitor says of a file and its optimizer where it cannot be read."""
    for one in NUMBERS_OF_A_FILE:
        if not isinstance(value := dataset.attrs.get(one, 0), int | float | np.number):
            raise ValueError(f"{name}: the attribute {one} must be a number, got {_short(value)}")
    shapes = dataset["largest_matrix"].values.ravel() if "largest_matrix" in dataset else ()
    told = filter(is_told, shapes)
    for shape in map(str, (dataset.attrs.get("largest_matrix", "1x1"), *told)):
        if not re.fullmatch(r"\d+x\d+", shape):
            raise ValueError(f"{name}: largest_matrix must be like 64x64, got {_short(shape)}")
    for text in dataset["optimizer_settings"].values if "optimizer_settings" in dataset else ():
        try:
            options = json.loads(str(text))
        except ValueError:
            options = None
        if not isinstance(options, dict):
            raise ValueError(
                f"{name}: optimizer_settings must be an object in JSON, got {_short(text)}"
            )


def is_told(value: object) -> bool:
    """Whether a file tells this of a run; one that an earlier version wrote may not."""
    return value == value and value != ""  # NaN or "" stands for it where files were joined


def _short(value: object) -> str:
    """A value as messages show it."""
    return f"{value!r:.60}"


def check_variables(
    dataset: xr.Dataset, name: str, dims: Mapping[str, Sequence[Hashable]], *, texts: Any
) -> None:
    """Refuse variables that lie along other dimensions, or are of another kind, than they should.

    Args:
        dataset: the variables; those that ``dims`` does not know are not looked at.
        name: of the Dataset, for messages.
        dims: dimensions of each variable.
        texts: names of the variables that hold text; the others hold numbers.

    Raises:
        ValueError: naming the first that does.
    """
    for one, along in dims.items():
        if one not in dataset.variables:
            continue
        variable = dataset.variables[one]
        if variable.dims != tuple(along):
            due, found = (
                " and ".join(map(str, d)) or "no dimension" for d in (along, variable.dims)
            )
            raise ValueError(f"{name}: {one} must lie along {due}, got {found}")
        kind, kinds = ("text", "OSUT") if one in texts else ("numbers", "iufb")
        if variable.size and variable.dtype.kind not in kinds:
            raise ValueError(f"{name}: {one} must hold {kind}, got {variable.dtype} values")


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
