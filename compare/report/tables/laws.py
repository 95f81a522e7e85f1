"""Exact laws, what they demand and allow, and whether they hold."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compare.report.tables.cells import Cell, Table, count, number, verdict
from theory.arrays import FloatArray
from theory.vocabulary import VARIABLES

LAWS = (
    "norm_law_residual",
    "elr_law_residual",
    "angle_law_residual",
    "jump_agreement",
    "log_balance_ratio",
)


LAW_HEAD = ("theory", "allowed", "verdict", Cell("why that much", role="words"))


def law_table(comparison: xr.Dataset, names: Sequence[str], caption: str) -> Table:
    """Laws with their smallest and largest value over the runs, and whether they hold."""
    rows = []
    for name in names:
        known = comparison[name].values[np.isfinite(comparison[name].values)]
        if len(known):
            span = [number(known.min()), number(known.max())]
            rows.append([VARIABLES[name].label, count(len(known)), *span, *law_cells(name, known)])
    head = ["law", "runs", "smallest", "largest", *LAW_HEAD]
    return Table(caption, head, rows)


def law_cells(name: str, values: FloatArray) -> list[Cell]:
    """What a law check demands and allows, whether values pass, and why it allows that."""
    metric = VARIABLES[name]
    low, high = (float("nan") if end is None else end for end in (metric.low, metric.high))
    return [
        number(float("nan") if metric.perfect is None else metric.perfect),
        Cell(f"{number(low)} … {number(high)}", value=high),
        verdict(metric.passes(values)),
        Cell(metric.reason, role="words"),
    ]
