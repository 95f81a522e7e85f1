"""Published values, read off the authors' figures, for the settings of a study that match them.

Both sources train the scale-invariant ConvNet of width 32 on CIFAR-10, batch 128, 391 steps an
epoch, without augmentation and momentum. Epochs are known to about 5, norms and effective learning
rates to about 3 %, as far as a figure can be read. Their gradient norm includes the frozen last
layer, ours does not, so g is comparable in order of magnitude only.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from theory.trajectory import setting_id, setting_of

NAN = float("nan")
STEPS_PER_EPOCH = 391
EPOCHS = 1000
WEIGHT_DECAY = 1e-3
SOURCE = "published (Lobacheva et al. 2021)"
PHASE_A = (0.99, 1.02)  # decay rate of the norm between jumps, over eta*lam
PREDICTED_EQUILIBRIUM_ELR = 8.9e-4  # at eta = 1, from g(elr) on the sphere; measured 9.1e-4
# What a setting's recipe must say to be the published one, beside model and data.
RECIPE: dict[str, Any] = {
    "batch_size": 128,
    "train_per_class": 0,
    "label_noise": 0.0,
    "full_batch": False,
    "augment": False,
    "trained": "scale-invariant",
    "normalised": True,
    "clip": 0.0,
    "schedule": "constant",
}
CIFAR10 = re.compile(r"cifar[-_]?10(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Periods:
    """What was published of training at one learning rate; NaN or empty where nothing was.

    Source: Lobacheva et al. 2021 (arXiv 2106.15739), main figure.

    Attributes:
        regime: in our words.
        n_jumps: in 1000 epochs.
        gap: mean gap between jumps, epochs, as published; 4 jumps give it to 5 % at best.
        gaps: shortest and longest, epochs.
        first_jump: epoch of the first jump.
        before: lowest and highest elr before a jump.
        after: lowest and highest elr after one.
        norm: equilibrium norm.
        elr: equilibrium elr.
        test_errors: of successive plateaus, or the range of a noisy one.
    """

    regime: str
    n_jumps: float = 0.0
    gap: float = NAN
    gaps: tuple[float, float] = (NAN, NAN)
    first_jump: float = NAN
    before: tuple[float, float] = (NAN, NAN)
    after: tuple[float, float] = (NAN, NAN)
    norm: float = NAN
    elr: float = NAN
    test_errors: tuple[float, ...] = ()


PERIODS: dict[float, Periods] = {
    0.001: Periods("convergence", test_errors=(0.29,)),
    0.01: Periods(
        "periodic",
        4,
        gap=213,
        gaps=(155, 309),
        first_jump=190,
        before=(2.3e-4, 3.2e-3),
        after=(1.6e-4, 3.2e-4),
        test_errors=(0.245, 0.212, 0.174, 0.170),
    ),
    0.03: Periods(
        "periodic",
        15,
        gap=64,
        gaps=(35, 115),
        before=(5e-4, 3.2e-3),
        after=(3.0e-4, 4.3e-4),
        test_errors=(0.20, 0.16),
    ),
    1.0: Periods("equilibrium", norm=33.2, elr=9.1e-4, test_errors=(0.24, 0.52)),
}


@dataclass(frozen=True)
class OnSphere:
    """What was published of training at one fixed elr.

    Source: Kodryan et al. 2022 (arXiv 2209.03695).
    """

    regime: str
    train_loss: float = NAN
    effective_grad_norm: float = NAN


SPHERE: dict[float, OnSphere] = {
    1e-5: OnSphere("convergence", 7e-3, 7.5),
    1e-4: OnSphere("convergence", 8e-4, 0.8),
    5e-4: OnSphere("convergence", 1.8e-4, 0.16),
    1e-3: OnSphere("equilibrium", effective_grad_norm=50),
    2e-3: OnSphere("equilibrium", effective_grad_norm=33),
    5e-3: OnSphere("equilibrium", effective_grad_norm=26),
    5e-2: OnSphere("divergence"),
}


def is_published_recipe(setting: Mapping[str, Any]) -> bool:
    """Whether a setting of a study's configuration trains the published network the published way.

    ``convnet`` alone has width 32; a folder counts as CIFAR-10 if its own name says so.
    """
    recipe = setting["recipe"]
    data = str(recipe["data"])
    folder = data.removeprefix("folder:").rstrip("/").rpartition("/")[2]
    known = data == "cifar10" or (data.startswith("folder:") and bool(CIFAR10.search(folder)))
    same = follows(recipe)
    named = recipe["model"] in ("convnet", "convnet-32")
    return bool(known and same and named and setting["momentum"] == 0)


def follows(recipe: Mapping[str, Any], *, apart_from: Sequence[str] = ()) -> bool:
    """Whether a recipe says what the published one says, apart from some keys."""
    kept = {key: value for key, value in RECIPE.items() if key not in apart_from}
    return all(recipe.get(key, value) == value for key, value in kept.items())


def id_of(setting: Mapping[str, Any]) -> str:
    """Id of a setting of a configuration."""
    numbers = (setting["learning_rate"], setting["weight_decay"])
    return setting_id(*numbers, momentum=setting["momentum"], variant=setting["variant"])


def _ids(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Settings of a configuration that train the published way, by their id."""
    return {
        id_of(setting): setting for setting in config["settings"] if is_published_recipe(setting)
    }


def periods(settings: xr.Dataset, config: Mapping[str, Any]) -> xr.Dataset:
    """Give the published values of the settings that match.

    Args:
        settings: what ``metrics.by_setting`` makes of the comparison.
        config: the study.

    Returns:
        ``published_*`` of ``regime``, ``n_jumps`` (in 1000 epochs), ``first_jump``, ``period``
        (steps) with ``period_low`` and ``period_high``, ``effective_lr_before_jump``,
        ``effective_lr_after_jump`` and ``decay_rate_ratio`` (middle of the range on a log scale)
        with their ``_low`` and ``_high``, ``equilibrium_norm`` and ``equilibrium_effective_lr``,
        on the ``setting`` of those that match alone; empty where none does.
    """
    found = {}
    for name, one in _ids(config).items():
        free = not one["recipe"]["fixed_norm"] and one["weight_decay"] == WEIGHT_DECAY
        if free and name in settings["setting"].values and one["learning_rate"] in PERIODS:
            found[name] = _row(PERIODS[one["learning_rate"]])
    columns = {k: ("setting", [row[k] for row in found.values()]) for k in _row(PERIODS[1.0])}
    return xr.Dataset(columns if found else {}, {"setting": list(found)})


def _row(one: Periods) -> dict[str, float | str]:
    row: dict[str, float | str] = {
        "regime": one.regime,
        "n_jumps": one.n_jumps,
        "first_jump": STEPS_PER_EPOCH * one.first_jump,
        "period": STEPS_PER_EPOCH * one.gap,
        "period_low": STEPS_PER_EPOCH * one.gaps[0],
        "period_high": STEPS_PER_EPOCH * one.gaps[1],
        "equilibrium_norm": one.norm,
        "equilibrium_effective_lr": one.elr,
    }
    slope = PHASE_A if one.regime == "periodic" else (NAN, NAN)
    ends = {
        "decay_rate_ratio": slope,
        "effective_lr_before_jump": one.before,
        "effective_lr_after_jump": one.after,
    }
    for name, (low, high) in ends.items():
        row |= {name: float(np.sqrt(low * high)), f"{name}_low": low, f"{name}_high": high}
    return {f"published_{name}": value for name, value in row.items()}


def plateau_errors(name: str, config: Mapping[str, Any]) -> tuple[float, ...]:
    """Published test errors of the plateaus of a setting that matches."""
    return PERIODS[float(_ids(config)[name]["learning_rate"])].test_errors


def on_sphere(comparison: xr.Dataset, config: Mapping[str, Any]) -> xr.Dataset:
    """Give the published values of the runs at a fixed elr that match.

    Returns:
        ``published_regime``, ``published_train_loss`` and ``published_effective_grad_norm`` along
        the ``run`` of those that match alone, at the published elr to 2 %; empty where none does.
    """
    ids = _ids(config)
    found = {}
    for run in comparison["run"].values:
        elr = float(comparison["fixed_effective_lr"].sel(run=run))
        if setting_of(run) not in ids or not np.isfinite(elr):
            continue
        nearest = min(SPHERE, key=lambda known: abs(np.log(known / elr)))
        if abs(nearest / elr - 1) < 0.02:
            found[str(run)] = vars(SPHERE[nearest])
    names = vars(SPHERE[1e-3]) if found else ()
    columns = {f"published_{k}": ("run", [row[k] for row in found.values()]) for k in names}
    return xr.Dataset(columns, {"run": list(found)})
