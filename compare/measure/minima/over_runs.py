"""Minima and their ensembles over the runs of a setting: means with their standard errors."""

import numpy as np
import xarray as xr

from compare.measure.minima.ensembles import standard_error
from theory.arrays import FloatArray
from theory.trajectory import setting_of


def runs_by_setting(comparison: xr.Dataset) -> list[xr.Dataset]:
    """The runs of each setting in which every run has a minimum, in the order of the runs."""
    names = [setting_of(run) for run in comparison["run"].values]
    groups = [
        comparison.isel(run=[i for i, own in enumerate(names) if own == name])
        for name in dict.fromkeys(names)
    ]
    known = "minimum_test_error"
    return [g for g in groups if known in g and np.isfinite(g[known].values[:, 0]).all()]


def shared(values: FloatArray) -> FloatArray:
    """The columns of values on (run, period) up to the last one that every run has."""
    whole = np.asarray(np.isfinite(values).all(axis=0))
    return values[:, : len(whole) if whole.all() else int(whole.argmin())]


def mean_over_runs(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard error over runs, of the columns that every run has."""
    values = shared(values)
    n = len(values)
    spread = values.std(axis=0, ddof=1) if n > 1 else np.full(values.shape[1], np.nan)
    return values.mean(axis=0), spread / np.sqrt(n)


def ensemble_curve(setting: xr.Dataset, name: str) -> tuple[FloatArray, FloatArray]:
    """Mean test error of ensembles of k = 1, 2, ... and its standard error."""
    values = setting[name].values
    mean, error = mean_over_runs(values)
    if name != "successive_ensemble_error":  # groups share runs
        error = np.array([standard_error(values[:, k], k + 1) for k in range(len(mean))])
    return mean, error
