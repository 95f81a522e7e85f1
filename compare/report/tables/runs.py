"""Every run in a line."""

import xarray as xr

from compare.report.tables.cells import Table, count, number
from theory.vocabulary import VARIABLES


def run_table(comparison: xr.Dataset) -> Table:
    """Every run in a line."""
    names = ("decay_rate_ratio", "log_balance_ratio", "norm_law_residual")
    rows: list[list[str]] = []
    for run in comparison["run"].values:
        one = comparison.sel(run=run)
        regime = str(one["regime"].values)
        period = float(one["period"]) if regime == "periodic" else float("nan")
        row = [str(run), str(one["role"].values).replace("_", "-"), regime]
        row += [count(int(one["n_jumps"])), number(period)]
        rows.append(row + [number(float(one[name])) for name in names])
    head = ["run", "role"]
    columns = ("regime", "n_jumps", "period", *names)
    return Table("All runs", head + [VARIABLES[name].label for name in columns], rows)
