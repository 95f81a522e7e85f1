"""A log from a CSV file of whatever logger, or from a Dataset of the schema."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import xarray as xr

from compare.diagnose.log.columns import SERIES, is_known, of_columns
from compare.diagnose.log.signals import Signals
from theory import files
from theory.trajectory import recorded, require

# What a CSV file may hold: 300 MB as text.
MOST_VALUES = 4_000_000
LONGEST_LINE = 2**20  # characters
SEPARATORS = (",", ";", "\t")
NO_HEADER = ("", "sep=;", "sep=,", "sep=\\t")  # what spreadsheets write before it
DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")


def read(path: Path, run: str | None = None) -> Signals:
    """Read a log.

    Args:
        path: a CSV file with a header, or a netCDF file of a monitor, a training or a study.
        run: which run of a netCDF file, if it holds several.

    Raises:
        ValueError: if it cannot be read, in a sentence that says why.
    """
    files.check_there(path)
    if path.suffix == ".nc":
        from compare.study import store

        return store.of_trajectories(path, lambda held: of_dataset(held, run))
    if run is not None:
        raise ValueError(f"--run is of a netCDF file; {path} has one run")
    columns, notes = _columns(path)
    signals = of_columns(columns, str(path))
    return replace(signals, notes=(*signals.notes, *notes))


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
    """Signals with what the log lacks and the user knows; what the log holds stays.

    Args:
        signals: of the log.
        values: fields of ``Signals`` as plain numbers; None for what is not known.
            ``steps_per_epoch`` replaces that of the log, which may have been told from others.
    """
    given = {key: value for key, value in values.items() if value is not None}
    held = [key for key in given if key != "steps_per_epoch"]
    held = [key for key in held if not _is_missing(signals, key)]
    notes = [f"the {key} that was given was not used: the log has its own" for key in held]
    given = {key: value for key, value in given.items() if key not in held}
    for key in set(given) & set(SERIES):
        given[key] = np.full(signals.n_records, float(given[key]))
    return replace(signals, **given, notes=(*signals.notes, *notes))


def _is_missing(signals: Signals, key: str) -> bool:
    """Whether a log does not tell a field; an optimizer of a kind that is not known tells none."""
    return signals.adaptive is None if key == "optimizer" else getattr(signals, key) is None


def _columns(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The columns of a CSV file as text, empty where one says nothing to us, and what was left out.

    Columns are parted by comma, semicolon or tab; with semicolons there may be decimal commas.
    A last row that was cut short is left out: the run may still be writing it.

    Raises:
        ValueError: if it is no CSV file, or a larger one than can be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = _lines(file, path)
            first = next((line for line in lines if line.strip(' \n\r"') not in NO_HEADER), "")
            separator = _separator(first)
            read_rows = csv.reader(chain([first], lines), delimiter=separator)
            rows = (row for row in read_rows if row)
            header = next(rows, [])
            known = [i for i, name in enumerate(header) if is_known(name)]
            values: list[list[str]] = [[] for _ in header]
            number, cut = 1, False
            for number, row in enumerate(rows, 2):
                _check_row(row, header, number, path, after_a_cut=cut)
                if cut := len(row) < len(header):
                    continue
                for i in known:
                    values[i].append(row[i] if separator == "," else _with_point(row[i]))
                if number * len(known) > MOST_VALUES:
                    raise ValueError(
                        f"{path} holds more than the {MOST_VALUES} values that can be read; keep "
                        "every k-th row"
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a readable CSV file ({error})") from error
    if number < 2 + cut:
        raise ValueError(f"{path} is empty: a header and at least one row are needed")
    notes = [f"the last row, {number}, was cut short and left out"] if cut else []
    columns: dict[str, list[str]] = {}
    for column, held in zip(header, values, strict=True):  # of two of a name the first with values
        if not any(columns.get(column, ())):
            columns[column] = held
    return columns, notes


def _separator(header: str) -> str:
    """What parts the columns: of all ways to read a header the one in which most has a meaning."""

    def meaning(separator: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=separator), [])
        return sum(map(is_known, names)), len(names)

    return max(SEPARATORS, key=meaning)


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """Lines of a file, none of them without end."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"{path} has a line of more than {LONGEST_LINE} characters")
        yield line


def _check_row(
    row: list[str], header: list[str], number: int, path: Path, *, after_a_cut: bool
) -> None:
    """Refuse a row that is longer than the header, or any row after one that is shorter."""
    if after_a_cut or len(row) > len(header):
        found = f"fewer in row {number - 1}" if after_a_cut else f"{len(row)} in row {number}"
        raise ValueError(f"{path} has {len(header)} columns in its header and {found}")
