"""Whether a network goes on jumping at all: what runs that came to rest say of it."""

import math
from dataclasses import dataclass

from scipy.special import ndtr

from compare.calibration.laws.evidence import BORDER_OF_REGIMES, error_of_mean
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles

RESTING = 0.1  # share of networks that rest where decay is slow: 4 of the 37 MLPs that are known
OF_REST = 0.1  # spread of ln(elr) at rest over runs
OF_GRADIENT = 0.2  # the same over ln of the decay, for gradients change with it
CYCLES = 10  # periods, about, by which a run's regime is told


@dataclass(frozen=True)
class Rest:
    """A network that may never jump, whose norm comes to rest instead.

    Attributes:
        probability: that it is one.
        decay: share of the norm that decay takes in a step, where rest was seen.
        log_elr: mean ``ln(elr)`` there; 0 where none was seen.
    """

    probability: float = 0.0
    decay: float = 1.0
    log_elr: float = 0.0

    def at(self, decay: float) -> tuple[float, float]:
        """``ln(elr)`` at rest at another decay, and its standard deviation.

        Gradients of one size would hold the norm where elr goes with the root of the decay
        (docs/theory.md, section 2); how they change is not known.
        """
        away = math.log(decay / self.decay)
        return self.log_elr + away / 2, math.hypot(OF_REST, OF_GRADIENT * away)


def rest_of(before: Laws, settings: list[SettingCycles]) -> Rest:
    """What runs say of a network that may come to rest at any slower decay too.

    A network that cannot fit its data, as where images change all the time, keeps a gradient that
    holds its norm up. A run that jumps even once is none of such a network: batches and labels that
    are noisy make runs at fast decay look like rest whose slow ones go on jumping. Where all runs
    came to rest without a jump, either the network is such a one, or a usual one that rests further
    down than was to be expected (Bayes' theorem).

    Args:
        before: what was known of the network before its runs were seen.
        settings: cycles of its runs.
    """
    seen = [one for one in settings if one.n_resting]
    if not seen or any(one.runs or one.never for one in settings):
        return Rest()
    by_chance = min(_rests_by_chance(before, one.intrinsic_lr) for one in seen)
    slowest = min(seen, key=lambda one: one.intrinsic_lr)
    probability = RESTING / (RESTING + (1 - RESTING) * by_chance)
    return Rest(probability, slowest.intrinsic_lr, sum(slowest.at_rest) / slowest.n_resting)


def _rests_by_chance(laws: Laws, intrinsic_lr: float) -> float:
    """Probability that a usual network rests in a setting."""
    middle, spread = laws.of("growth", intrinsic_lr)
    scatter = error_of_mean(laws, "growth", intrinsic_lr, CYCLES, 1)
    return float(ndtr((middle - BORDER_OF_REGIMES) / math.hypot(spread, scatter)))
