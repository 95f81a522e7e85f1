"""Aggregation over seeds: from runs to settings."""

import numpy as np
import xarray as xr

from compare.measure.observables import MIN_CYCLES
from theory import trajectory
from theory.trajectory.regimes import NO_JUMPS

SETTING_COORDINATES = ("learning_rate", "weight_decay", "momentum", "variant")


def by_setting(comparison: xr.Dataset) -> xr.Dataset:
    """Aggregate over seeds: mean, standard error over seeds and most frequent regime.

    Returns:
        A Dataset on ``setting`` (a readable id, ordered by ``intrinsic_lr``, or as the runs are
        where settings have variants) with every numeric
        variable averaged over the seeds that have it, ``<name>_std`` and ``<name>_sem`` over
        these seeds, ``regime``, ``n_seeds`` and ``role``. ``period`` is the mean over the cycles
        of all seeds together, if these are enough (``observables.MIN_CYCLES``): seeds with one or
        two cycles are those with long ones. As runs end within a cycle, which is more often a
        long one, it is low by (spread of single periods / T)^2 over the cycles of a run: 3 % for
        three of them and a spread of 0.3 T. ``period_sem`` is that of a ratio of sums over seeds
        (Cochran 1977, Sampling Techniques, section 6.4).
    """
    groups = comparison.groupby(setting_ids(comparison))
    position = {str(run): i for i, run in enumerate(comparison["run"].values)}
    varied = bool((comparison["variant"] != "").any())

    def order(summary: xr.Dataset) -> float:
        place = position[str(summary["first_run"].values)]
        return place if varied else float(summary["intrinsic_lr"])

    rows = sorted((_summary(str(name), runs) for name, runs in groups), key=order)
    return xr.concat(rows, dim="setting", data_vars="all", coords="minimal", join="exact")


def setting_ids(comparison: xr.Dataset) -> xr.DataArray:
    """Id of each run's setting, along ``run``."""
    names = [
        trajectory.setting_id(lr, wd, momentum=momentum, variant=str(variant))
        for lr, wd, momentum, variant in zip(
            *(comparison[name].values for name in SETTING_COORDINATES), strict=True
        )
    ]
    return xr.DataArray(names, {"run": comparison["run"]}, ["run"], name="setting")


def _summary(name: str, runs: xr.Dataset) -> xr.Dataset:
    """One setting: means over its seeds."""
    values: dict[str, float | str] = {
        "n_seeds": float(runs.sizes["run"]),
        "n_as_expected": float(as_expected(runs).sum()),
        "role": str(runs["role"].values[0]),
        "regime": most_common(runs["regime"].values),
        "expected_regime": str(runs["expected_regime"].values[0]),
        "variant": str(runs["variant"].values[0]),
        "first_run": str(runs["run"].values[runs["seed"].values.argmin()]),
    }
    for coordinate in ("learning_rate", "weight_decay", "intrinsic_lr"):
        values[coordinate] = float(runs[coordinate][0])
    for name_, variable in runs.data_vars.items():
        if variable.dtype.kind not in "iuf" or variable.dims != ("run",):
            continue
        known = variable.values[np.isfinite(variable.values)]
        values[str(name_)] = float(known.mean()) if len(known) else float("nan")
        spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
        values[f"{name_}_std"] = spread
        values[f"{name_}_sem"] = spread / np.sqrt(len(known)) if len(known) else spread
    values["period"], values["period_sem"] = _pooled_period(runs)
    if "predicted_regime" in runs:
        values["predicted_regime"] = most_common(runs["predicted_regime"].values)
    return xr.Dataset(values).assign_coords(setting=name)


def _pooled_period(runs: xr.Dataset) -> tuple[float, float]:
    """Mean over the cycles of all seeds, and its standard error; NaN of too few."""
    cycles = runs["n_cycles"].values
    if "cycle_steps" in runs:
        steps = runs["cycle_steps"].values
    else:  # files of before know those of three cycles and more
        cycles = np.where(np.isfinite(runs["period"]), cycles, 0)
        steps = runs["period"].fillna(0).values * cycles
    if cycles.sum() < MIN_CYCLES:
        return float("nan"), float("nan")
    period = steps.sum() / cycles.sum()
    away, n = steps - period * cycles, int((cycles > 0).sum())
    error = np.sqrt(n / (n - 1) * np.square(away).sum()) / cycles.sum() if n > 1 else np.nan
    return float(period), float(error)


def as_expected(comparison: xr.Dataset) -> xr.DataArray:
    """Whether each run is as theory says, (n_runs,); ``no jumps`` says just that."""
    still = (comparison["expected_regime"] == NO_JUMPS) & (comparison["n_jumps"] == 0)
    return still | (comparison["expected_regime"] == comparison["regime"])


def most_common(labels: np.typing.NDArray[np.str_]) -> str:
    """Most frequent label; the first in alphabetical order among equals."""
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()])


def with_period(settings: xr.Dataset) -> xr.Dataset:
    """The periodic settings in which a period could be measured."""
    return settings.sel(
        setting=(settings["regime"] == "periodic") & np.isfinite(settings["period"])
    )
