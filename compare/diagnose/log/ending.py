"""Where a run diverges: from a step on its loss is no number, or far above what it was, to the end.

A spike, of a sawtooth or of anything else, comes back down. What follows this step says nothing of
spikes; what goes before it is the log to diagnose.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from compare.diagnose.log.signals import Signals
from theory.arrays import FloatArray

SMOOTHED = 9  # records, beside which a single bad batch is nothing
FAR_ABOVE = float(np.log(100))  # of all that was before the lowest loss
FEWEST = 10  # records
# A network that has forgotten all is where it began, far above its level, for the rest of the log.
AS_AT_START, ABOVE_LEVEL, FOR_LONG = float(np.log(0.5)), float(np.log(10)), 0.2
LONGER = 3.0  # than any stay as high from which the loss came back


@dataclass(frozen=True, eq=False)
class Divergence:
    """How a run ended.

    Attributes:
        step: from which on it diverges.
        before: the log until there; empty where it diverges from its first record.
        said: a sentence with the numbers.
    """

    step: float
    before: Signals
    said: str


def find_divergence(signals: Signals) -> Divergence | None:
    """Find the step from which on the loss never comes back, if there is one.

    Args:
        signals: of the log.
    """
    log = median_filter(signals.log_loss, SMOOTHED, mode="nearest")
    high = _far_above(log) or _forgotten(log)
    lost = signals.lost_at
    ends = "" if lost is None else f"from step {lost:g} to the end the loss is no finite number"
    if not high:
        return None if lost is None else Divergence(lost, signals, ends)
    late = slice(high // 2, high)
    at = int(np.flatnonzero(log[:high] <= np.median(log[late]))[-1])
    said = (
        f"from about step {signals.step[at]:g} on the loss rises from "
        f"{np.median(signals.loss[late]):.2g} to {signals.loss[at:].max():.2g} and does not come "
        "back"
    )
    said = f"{said}; {ends}" if ends else said
    return Divergence(float(signals.step[at]), signals.until(at), said)


def _far_above(log: FloatArray) -> int | None:
    """Record from which on the loss is far above all that it was on the way to its lowest."""
    highest = log[: int(log.argmin()) + 1].max()
    return _stays_above(log, highest + FAR_ABOVE, FEWEST)


def _forgotten(log: FloatArray) -> int | None:
    """Record from which on the loss is as high as at the start, after it was far below."""
    at = _stays_above(log, log[0] + AS_AT_START, FOR_LONG * len(log))
    if at is None or np.median(log[at:]) - np.median(log[:at]) < ABOVE_LEVEL:
        return None
    return at


def _stays_above(log: FloatArray, threshold: float, least: float) -> int | None:
    """Record from which on a series stays above a threshold to its end, longer than ever before."""
    below = np.flatnonzero(log <= threshold)
    if not len(below):
        return None
    came_back = int(np.diff(below).max(initial=1)) - 1
    stays = len(log) - 1 - below[-1]
    return int(below[-1]) + 1 if stays >= max(least, LONGER * came_back, 1) else None
