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
UNTRAINED = float(np.log(100))  # nats that no untrained network loses
FEWEST = 10  # records
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
    lost = signals.lost_at
    ends = "" if lost is None else f"from step {lost:g} to the end the loss is no finite number"
    log = median_filter(signals.log_loss, SMOOTHED, mode="nearest")
    high = _far_above(log) if (signals.loss >= 0).all() else 0
    if not high:
        return None if lost is None else Divergence(lost, signals, ends)
    level = np.median(log[high // 3 : 2 * high // 3 + 1])  # before it is on its way up
    at = int(np.flatnonzero(log[:high] <= level)[-1])
    before, after = signals.loss[max(at - SMOOTHED, 0) : at + 1], signals.loss[at:]
    said = (
        f"from about step {signals.step[at]:g} on the loss rises from {np.median(before):.2g} to "
        f"{after.max():.2g} and does not come back"
    )
    said = f"{said}; {ends}" if ends else said
    return Divergence(float(signals.step[at]), signals.until(at), said)


def _far_above(log: FloatArray) -> int:
    """Record from which on the loss is far above all that it was before; 0 if from none.

    A log need not begin with the training. Then it may hold the first jump of a sawtooth, up to the
    loss of an untrained network, which it does not tell: nothing below ``UNTRAINED`` counts.
    """
    threshold = max(log[: int(log.argmin()) + 1].max() + FAR_ABOVE, UNTRAINED)
    below = np.flatnonzero(log <= threshold)
    if not len(below):
        return 0
    came_back = int(np.diff(below).max(initial=1)) - 1
    stays = len(log) - 1 - below[-1]
    return int(below[-1]) + 1 if stays >= max(FEWEST, LONGER * came_back) else 0
