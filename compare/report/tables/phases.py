"""Shares of the phases of a period."""

import numpy as np
import xarray as xr

from compare.measure import phases
from compare.report.tables.cells import Table, each_setting, number, setting_name


def phase_table(settings: xr.Dataset) -> Table:
    """Shares of the phases of every setting with jumps: measured, and the theory's."""
    rows = []
    for one in each_setting(settings):
        names = [f"phase_{name.lower()}_share" for name in phases.PHASES]
        if not np.isfinite(float(one[names[0]])):
            continue
        row = [setting_name(one), str(one["regime"].values)]
        row += [number(float(one[name]), float(one[f"{name}_sem"])) for name in names]
        if f"predicted_{names[0]}" in settings:
            row += [number(float(one[f"predicted_{name}"])) for name in names]
        rows.append(row)
    head = ["setting", "regime", *(f"phase {name}" for name in phases.PHASES)]
    if "predicted_phase_a_share" in settings:
        head += [f"{name}, theory" for name in phases.PHASES]
    return Table("Phases — shares of the time, from first rise to last landing", head, rows)
