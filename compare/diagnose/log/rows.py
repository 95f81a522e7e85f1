"""The rows of a log that count: one for each step, of the run that went on to the end.

A run that was resumed from a checkpoint logs some steps twice, and a logger may give a column a row
of its own.
"""

from collections.abc import Mapping

import numpy as np

from theory.arrays import BoolArray, FloatArray, IntArray

LOGGED = 0.5  # least share of the rows with a loss in which a column must have a number
MOST_REPEATED = 0.5  # of the rows with a loss; beyond, steps do not count through one run
LOST = 3  # rows; a summary after the last step is one
AS_LONG = 3  # as any gap in the loss so far
Series = Mapping[str, FloatArray]


def one_for_each_step(series: Series, name: str) -> tuple[dict[str, FloatArray], list[str]]:
    """Columns with rows of one step joined, without the losses of steps that came again.

    Args:
        series: columns by name, each (n_rows,), among them ``step`` and ``loss``.
        name: of the log.

    Returns:
        The columns, each (n_steps,), steps increasing, NaN where nothing was logged; and a
        sentence for what was left out.

    Raises:
        ValueError: if more than half of the losses would be left out.
    """
    known = np.isfinite(series["step"])
    held = {key: values[known] for key, values in series.items()}
    step, logged = held["step"], ~np.isnan(held["loss"])
    to_come = np.where(logged, step, np.inf)  # the least step with a loss from here on
    to_come = np.minimum.accumulate(to_come[::-1])[::-1]
    kept = ~logged | (step <= to_come)
    n_lost = int(logged.sum()) - len(np.unique(step[kept & logged]))
    notes = [f"{n_lost} rows were left out because their steps came again"] if n_lost else []
    if not kept.all():
        last = np.flatnonzero(~kept)[-1]
        if n_lost > MOST_REPEATED * logged.sum():
            raise ValueError(
                f"{name}: steps must increase through the run, but after step {step[last]:g} comes "
                f"{to_come[last]:g}"
            )
        notes[0] += f", as where a run is resumed, the last time from step {to_come[last]:g} on"
    steps, group = np.unique(step[kept], return_inverse=True)
    joined = {key: _last_known(values[kept], group, len(steps)) for key, values in held.items()}
    return {**joined, "step": steps}, notes


def _last_known(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """The last value of each group that is not NaN, (n_groups,)."""
    found = np.full(n_groups, np.nan)
    known = ~np.isnan(values)
    found[group[known]] = values[known]  # of several the last one stays
    return found


def lost_from(loss: FloatArray) -> int:
    """Row from which on a loss is no finite number to the end; their number if it ends as one.

    Blank rows at the end count if they are a longer gap than the log has otherwise.

    Args:
        loss: one entry a step, (n_steps,), NaN where nothing was logged.
    """
    known = np.flatnonzero(np.isfinite(loss))
    if not len(known):
        return len(loss)
    end = int(known[-1]) + 1
    gap = int(np.diff(known, prepend=-1).max()) - 1
    is_lost = np.isinf(loss[end:]).any() or len(loss) - end >= max(LOST, AS_LONG * gap)
    return end if is_lost else len(loss)


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
        at = step[known] if known.any() else np.array([np.inf])
        within = (at[0] <= step[kept]) & (step[kept] <= at[-1])
        share = min(known.sum() / kept.sum(), within.mean())
        if share >= LOGGED:
            found[name] = np.interp(step[kept], step[known], values[known])
        elif known.any():
            notes.append(
                f"{name} has a number in {100 * share:.2g} % of the rows and was not used; "
                f"log it in at least {100 * LOGGED:.0f} %"
            )
    return found, notes
