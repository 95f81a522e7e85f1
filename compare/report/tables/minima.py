"""Minima of successive periods: how good and how alike they are, and ensembles of them."""

import numpy as np
import xarray as xr

from compare.measure.minima.over_runs import (
    ensemble_curve,
    mean_over_runs,
    runs_by_setting,
    shared,
)
from compare.report.figures.measurements.minima import ENSEMBLES, LIKENESS, name_of
from compare.report.tables.cells import Table, number
from theory.arrays import FloatArray


def tables(comparison: xr.Dataset) -> list[Table]:
    """Single minima, likeness and ensembles of every setting, means over seeds."""
    if "successive_ensemble_error" not in comparison:
        return []
    settings = runs_by_setting(comparison)
    return [_single_table(settings), _likeness_table(settings), _ensemble_table(settings)]


def _cell(values: FloatArray) -> str:
    mean, error = mean_over_runs(values[:, None])
    return number(float(mean[0]), float(error[0])) if len(mean) else "–"


def _single_table(settings: list[xr.Dataset]) -> Table:
    names = ("last_minimum_error", "best_minimum_error")
    rows = [
        [
            name_of(one),
            str(one.sizes["run"]),
            _cell(one["minimum_test_error"].values[:, 0]),
            *(_cell(one[name].values) for name in names),
        ]
        for one in settings
    ]
    head = ["setting", "runs", "first minimum", "last", "of lowest training loss"]
    return Table("Minima — test error of single ones, ± s.e.", head, rows)


def _likeness_table(settings: list[xr.Dataset]) -> Table:
    rows = []
    for one in settings:
        row = [name_of(one)]
        for what, _ in LIKENESS:
            for pair in ("successive", "independent"):
                row.append(_mean_of_periods(one, f"{pair}_{what}"))
        rows.append(row)
    head = ["setting"]
    for what, _ in LIKENESS:
        head += [f"{what}, successive", f"{what}, independent"]
    return Table("Minima — likeness of two, mean over periods ± s.e.", head, rows)


def _mean_of_periods(setting: xr.Dataset, name: str) -> str:
    """Mean over the periods that every run has, with its standard error over runs."""
    known = shared(setting[name].values) if name in setting else np.empty((1, 0))
    return _cell(known.mean(axis=1)) if known.shape[1] else "–"


def _ensemble_table(settings: list[xr.Dataset]) -> Table:
    """Ensembles of two and of as many minima as all three kinds have."""
    rows = []
    for one in settings:
        curves = [ensemble_curve(one, name) for name, *_ in ENSEMBLES]
        largest = min(len(mean) for mean, _ in curves)
        for k in sorted({1, 2, largest} & set(range(1, largest + 1))):
            cells = [number(float(m[k - 1]), float(e[k - 1])) for m, e in curves]
            rows.append([name_of(one), str(k), *cells])
    head = ["setting", "k", *(text for _, text, *_ in ENSEMBLES)]
    return Table("Minima — test error of ensembles of k, ± s.e.", head, rows)
