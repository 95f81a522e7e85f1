"""The rows of a log that count: one for each step, of the run that went on to the end.

A run that was resumed from a checkpoint logs some steps twice, and a logger may give a column a row
of its own.
"""

from collections.abc import Mapping

import numpy as np

from theory.arrays import BoolArray, FloatArray, IntArray

LOGGED = 0.5  # least share of the rows with a loss in which a column must have a number
Series = Mapping[str, FloatArray]


def one_for_each_step(series: Series) -> tuple[dict[str, FloatArray], list[str]]:
    """Columns with rows of one step joined and what a later row repeats left out.

    Args:
        series: columns by name, each (n_rows,), one of them ``step``.

    Returns:
        The columns, each (n_steps,), steps increasing, NaN where nothing was logged; and a
        sentence for what was left out.
    """
    known = np.isfinite(series["step"])
    step = series["step"][known]
    later = np.minimum.accumulate(step[::-1])[::-1]
    repeated = step > later
    notes = []
    if repeated.any():
        back = later[np.flatnonzero(repeated)[-1]]
        notes.append(
            f"steps go back to {back:g}, as where a run is resumed: {int(repeated.sum())} earlier "
            "rows from there on were left out"
        )
    steps, group = np.unique(step[~repeated], return_inverse=True)
    joined = {
        name: _last_known(values[known][~repeated], group, len(steps))
        for name, values in series.items()
    }
    return {**joined, "step": steps}, notes


def _last_known(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """The last value of each group that is not NaN, (n_groups,)."""
    found = np.full(n_groups, np.nan)
    known = ~np.isnan(values)
    found[group[known]] = values[known]  # of several the last one stays
    return found


def filled(series: Series, kept: BoolArray) -> tuple[dict[str, FloatArray], list[str]]:
    """Columns at the rows that are kept, their gaps closed by a line.

    Args:
        series: columns by name, each (n_steps,), one of them ``step``.
        kept: which rows count, (n_steps,).

    Returns:
        The columns that have numbers in enough rows; and a sentence for each that has too few.
    """
    step, found, notes = series["step"], {}, []
    for name, values in series.items():
        known = np.isfinite(values)
        share = known.sum() / kept.sum()
        if share >= LOGGED:
            found[name] = np.interp(step[kept], step[known], values[known])
        elif known.any():
            notes.append(
                f"{name} has a number in {100 * share:.2g} % of the rows and was not used; "
                f"log it in at least {100 * LOGGED:.0f} %"
            )
    return found, notes
