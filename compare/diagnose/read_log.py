"""A log from a CSV file of whatever logger, or from a Dataset of the schema."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from compare.diagnose.columns import SERIES, of_columns
from compare.diagnose.signals import Signals
from theory.trajectory import recorded, require


def read(path: Path, run: str | None = None) -> Signals:
    """Read a log.

    Args:
        path: a CSV file with a header, or a netCDF file of a monitor, a training or a study.
        run: which run of a netCDF file, if it holds several.

    Raises:
        ValueError: if it cannot be read, in a sentence that says why.
    """
    if not path.is_file():
        raise ValueError(f"cannot read {path}: no such file")
    if path.suffix == ".nc":
        from compare.study import store

        tree = store.read(path, bare=True)
        with store.blaming(path):
            return of_dataset((tree["empirical"] if tree.children else tree).to_dataset(), run)
    if run is not None:
        raise ValueError(f"--run is of a netCDF file; {path} has one run")
    return of_columns(_columns(path), str(path))


def of_dataset(trajectories: xr.Dataset, run: str | None = None) -> Signals:
    """Make signals of one run of a Dataset of the schema.

    Raises:
        ValueError: if it holds several runs and none is named, or not this one.
    """
    require(trajectories, "the file")
    runs = [str(one) for one in trajectories["run"].values]
    if run is None and len(runs) > 1:
        raise ValueError(
            f"the file holds {len(runs)} runs; name one of them, such as --run {runs[0]}"
        )
    chosen = runs[0] if run is None else run
    if chosen not in runs:
        raise ValueError(f"the file holds no run {chosen}; it holds {', '.join(runs[:5])}")
    known = trajectories["step"].values < int(trajectories["n_steps"].sel(run=chosen))
    norm = recorded(trajectories, chosen, "weight_norm")
    one = trajectories.sel(run=chosen)
    rate = recorded(trajectories, chosen, "step_learning_rate")
    columns: dict[str, Any] = {
        "step": trajectories["step"].values[known],
        "loss": recorded(trajectories, chosen, "train_loss"),
        "learning_rate": rate if np.isfinite(rate).any() else float(one["learning_rate"]),
        "weight_decay": float(one["weight_decay"]),
        "momentum": float(one["momentum"]),
        "weight_norm": norm,
        "grad_norm": recorded(trajectories, chosen, "effective_grad_norm") / norm,
        "optimizer": str(one["update_rule"].values),
    }
    if "beta2" in trajectories and np.isfinite(one["beta2"]):
        columns["beta2"] = float(one["beta2"])
    if "epoch" in trajectories.coords:
        columns["epoch"] = trajectories["epoch"].values[known]
    return of_columns(columns, f"run {chosen}")


def supplied(signals: Signals, **values: Any) -> Signals:
    """Signals with what the log lacks and the user knows.

    Args:
        signals: of the log.
        values: fields of ``Signals`` as plain numbers; None for what is not known.
    """
    given = {key: value for key, value in values.items() if value is not None}
    for key in set(given) & set(SERIES):
        given[key] = np.full(signals.n_records, float(given[key]))
    return replace(signals, **given)


def _columns(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file as text."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a readable CSV file ({error})") from error
    if len(rows) < 2:
        raise ValueError(f"{path} is empty: a header and at least one row are needed")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{path} has {len(rows[0])} columns in its header and {len(row)} in row {number}"
            )
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}
