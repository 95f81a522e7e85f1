"""What to set so that a planned run does not destabilise, or comes to rest instead."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from compare.calibration.beginning import Beginning
from compare.calibration.laws.regularised import Laws
from compare.forecast.planned_run import PlannedRun
from compare.predict import outlook

SURE = 0.9
DECADES = 6.0  # that are searched to either side
GRID = 121
NAMES = ("avoid_weight_decay", "avoid_learning_rate", "equilibrium_weight_decay")


def advice(
    run: PlannedRun, laws: Laws, beginning: Beginning, resting: float = 0.0
) -> dict[str, float | None]:
    """The borders nearest to a planned run, other things being as planned.

    Args:
        run: the planned run.
        laws: what is known of its network.
        beginning: how its runs begin at the planned learning rate.
        resting: probability that it never jumps, however it is trained.

    Returns:
        ``avoid_weight_decay`` and ``avoid_learning_rate``, the largest with which the run ends
        before its first jump with probability ``SURE``; ``equilibrium_weight_decay``, the smallest
        with which its norm comes to rest instead, as surely. None where there is none within
        ``DECADES``, or where it surely rests.
    """
    if resting >= SURE:
        return dict.fromkeys(NAMES)

    def at_decay(factor: float) -> PlannedRun:
        return replace(run, weight_decay=factor * run.weight_decay)

    def at_rate(factor: float) -> PlannedRun:
        return replace(run, learning_rate=factor * run.learning_rate)

    def quiet(other: PlannedRun) -> float:
        start = beginning.at(other.learning_rate / run.learning_rate)
        return resting + (1 - resting) * no_jump(other, laws, start)

    def settled(other: PlannedRun) -> float:
        network = outlook.networks(laws, other.decay, beginning.log_elr)
        chances = outlook.regime_probabilities(network, other.n_steps, resting=resting)
        return chances["equilibrium"]

    largest_decay, largest_rate = (
        _border(make, quiet, rising=False) for make in (at_decay, at_rate)
    )
    smallest = _border(at_decay, settled, rising=True)
    found = (
        _times(run.weight_decay, largest_decay),
        _times(run.learning_rate, largest_rate),
        _times(run.weight_decay, smallest),
    )
    return dict(zip(NAMES, found, strict=True))


def no_jump(run: PlannedRun, laws: Laws, start: float) -> float:
    """Probability that a run ends before its first jump."""
    network = outlook.networks(laws, run.decay, start)
    return float(outlook.no_jump(network, run.n_steps).mean())


def _border(
    make: Callable[[float], PlannedRun], sure: Callable[[PlannedRun], float], *, rising: bool
) -> float | None:
    """The factor on a setting where a probability that falls, or rises, with it passes ``SURE``."""
    factors = np.logspace(-DECADES, DECADES, GRID)[:: -1 if rising else 1]
    found = ((float(one), _probability(make, sure, float(one))) for one in factors)
    # beyond the largest and the smallest decay that can be trained with there is nothing
    tried = itertools.dropwhile(lambda pair: pair[1] == 0, found)
    enough = list(itertools.takewhile(lambda pair: pair[1] >= SURE, tried))
    if not enough:
        return None
    step = 10 ** (2 * DECADES / (GRID - 1))
    inside = enough[-1][0]
    outside = inside / step if rising else inside * step
    for _ in range(30):
        middle = math.sqrt(inside * outside)
        if _probability(make, sure, middle) >= SURE:
            inside = middle
        else:
            outside = middle
    return inside


def _probability(
    make: Callable[[float], PlannedRun], sure: Callable[[PlannedRun], float], factor: float
) -> float:
    """The probability with a factor; 0 where no run can be made."""
    try:
        return sure(make(factor))
    except ValueError:
        return 0.0


def _times(value: float, factor: float | None) -> float | None:
    return None if factor is None else value * factor
