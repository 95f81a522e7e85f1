"""What was measured in the periodic settings, beside what each model predicted."""

from dataclasses import replace

import numpy as np
import xarray as xr

from compare.measure.over_seeds import with_period
from compare.measure.power_law import period_exponent
from compare.report.tables.cells import Table, each_setting, intrinsic_cell, number, percent
from theory.vocabulary import VARIABLES

SOURCES = {
    "predicted": "kick model",
    "process": "hazard process",
    "baseline": "baseline",
    "power_law": "power law",
}


PREDICTIONS = ("period", "first_jump", "effective_lr_before_jump", "effective_lr_after_jump")


def prediction_table(settings: xr.Dataset, name: str) -> Table:
    """Level 2: an observable of the periodic settings beside its predictions."""
    known = {source: title for source, title in SOURCES.items() if f"{source}_{name}" in settings}
    rows = []
    for one in each_setting(settings.sel(setting=settings["regime"] == "periodic")):
        measured, sem = float(one[name]), float(one[f"{name}_sem"])
        role = str(one["role"].values).replace("_", "-")
        row = [intrinsic_cell(one), role, number(measured, sem)]
        for source in known:
            value = float(one[f"{source}_{name}"])
            error = one.get(f"{source}_{name}_error")
            said = number(value, None if error is None else float(error))
            row += [said, percent(value / measured - 1)]
        rows.append(row)
    head = [VARIABLES["intrinsic_lr"].symbol, "role", "measured ± s.e."]
    for title in known.values():
        head += [title, "error"]
    return Table(f"Level 2 — {VARIABLES[name].label}", head, rows)


def exponent_table(settings: xr.Dataset) -> Table:
    """The exponent of the period: measured, the theory's at the same settings, the baseline's.

    The theory's has no error; it is fitted with the weights of the measurement.
    """
    table = Table(
        "Period exponent d ln T / d ln(ηλ)",
        ["periodic settings", "measured ± s.e.", "kick model", "baseline T ηλ = const"],
        [],
    )
    if (settings["variant"] != "").any():
        return table
    known = with_period(settings)
    rate, error = known["intrinsic_lr"].values, known["period_sem"].values
    try:
        measured = period_exponent(rate, known["period"].values, error)
    except ValueError:
        return table
    row = [str(measured.n_periods), f"{measured.value:.3f} ± {measured.standard_error:.3f}"]
    predicted = known.get("predicted_period")
    if predicted is not None and np.isfinite(predicted).all():
        relative = error / known["period"].values * predicted.values
        row.append(f"{period_exponent(rate, predicted.values, relative).value:.3f}")
    else:
        row.append("–")
    return replace(table, rows=[[*row, number(-1.0)]])
