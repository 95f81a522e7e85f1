"""Whether a network goes on jumping at all: what runs that came to rest say of it."""

import math

from scipy.special import ndtr

from compare.calibration.laws.evidence import BORDER_OF_REGIMES, error_of_mean
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles

RESTING = 0.1  # share of networks that come to rest where decay is slow: five of the 48 known
CYCLES = 10  # periods, about, by which a run's regime is told


def probability(before: Laws, settings: list[SettingCycles]) -> float:
    """Probability that a network comes to rest at any slower decay too.

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
        return 0.0
    by_chance = min(_expected(before, one.intrinsic_lr) for one in seen)
    return RESTING / (RESTING + (1 - RESTING) * by_chance)


def _expected(laws: Laws, intrinsic_lr: float) -> float:
    """Probability that a usual network rests in a setting."""
    middle, spread = laws.of("growth", intrinsic_lr)
    scatter = error_of_mean(laws, "growth", intrinsic_lr, CYCLES, 1)
    return float(ndtr((middle - BORDER_OF_REGIMES) / math.hypot(spread, scatter)))
