"""The exact period with which a series repeats itself, where nobody has told one."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.ndimage import uniform_filter1d

from theory.arrays import FloatArray

SHORTEST = 3  # records
MOST_SCANNED, MUCH = (500, 2000), 2e7  # records; the more the fewer the log has, as each costs time
MIN_PERIODS = 5
PHASES = 12  # at most
CHANCE = 1e-4  # largest of the period that is found, times the number of those scanned
EXPLAINED = 0.005  # least share of the variance
SHARP = 0.5  # of it, the most that periods explain which part from it by a turn over the log
ALIKE = 0.6  # of what a multiple explains; of twice a part of a period, that part explains half
MULTIPLES = range(2, 13)
SLIGHT = 1e-8  # of a variance: rounding, and what the bends of a smooth trend leave


@dataclass(frozen=True)
class Repetition:
    """How far a series is the same in each period.

    Attributes:
        period: records.
        explained: share of the variance that the mean over the periods explains, less what periods
            that have nothing in common would.
        chance: that such periods agree as well.
    """

    period: int
    explained: float
    chance: float


def repetition(values: FloatArray, period: int) -> Repetition:
    """Hold what all periods have in common against what parts each of them from the others.

    Noise, a trend and waves that only nearly have this period part them too. Neighbouring phases
    are not independent, for which their number is corrected by Box's epsilon.

    Source: Greenhouse and Geisser 1959 (doi 10.1007/BF02289823).

    Args:
        values: at equal steps, (n_records,).
        period: records.
    """
    half = period // 2
    about = (values - uniform_filter1d(values, period))[half : len(values) - half]
    n_periods = len(about) // period
    if n_periods < MIN_PERIODS - 1:
        return Repetition(period, 0.0, 1.0)
    about = about[: n_periods * period].reshape(n_periods, period)
    about -= about.mean(axis=1, keepdims=True)
    borders = np.arange(min(PHASES, period)) * period // min(PHASES, period)
    table = np.add.reduceat(about, borders, axis=1) / np.diff(borders, append=period)
    common = table.mean(axis=0)
    apart = table - common
    total, spread = float((about**2).mean()), apart.T @ apart
    noise = float(np.trace(spread)) / (n_periods - 1)  # in the sum over phases, of one period
    if total < SLIGHT * values.var():
        return Repetition(period, 0.0, 1.0)
    if not noise > SLIGHT * len(common) * total:
        return Repetition(period, 1.0, 0.0)
    free = np.trace(spread) ** 2 / (spread**2).sum()
    seen = float((common**2).sum())
    chance = stats.f.sf(n_periods * seen / noise, free, free * (n_periods - 1))
    explained = (seen - noise / n_periods) / len(common) / total
    return Repetition(period, float(explained), float(chance))


def longest_scanned(n_records: int) -> int:
    """The longest period, in records, that is looked for in a log of so many."""
    affordable = int(np.clip(MUCH / n_records, *MOST_SCANNED))
    return min(affordable, n_records // MIN_PERIODS)


def find_period(values: FloatArray) -> int | None:
    """Find a period, in records, with which a series repeats itself; None if with none.

    Args:
        values: at equal steps, (n_records,).
    """
    scanned = [repetition(values, p) for p in range(SHORTEST, longest_scanned(len(values)) + 1)]
    seen = [
        one
        for one in scanned
        if one.chance * len(scanned) < CHANCE
        and one.explained > EXPLAINED
        and _is_sharp(values, one)
    ]
    if not seen:
        return None
    best = min(seen, key=lambda one: (one.chance, -one.explained))
    near = {m * best.period + off for m in MULTIPLES for off in range(-m, m + 1)}
    multiples = [repetition(values, p) for p in sorted(near) if p * MIN_PERIODS <= len(values)]
    whole = max([best, *multiples], key=lambda one: one.explained)
    return best.period if best.explained > ALIKE * whole.explained else whole.period


def _is_sharp(values: FloatArray, found: Repetition) -> bool:
    """Whether periods that part from one by a turn over the log explain far less."""
    turn = max(1, round(found.period**2 / len(values)))
    others = (repetition(values, found.period + sign * turn) for sign in (-1, 1))
    return all(other.explained < SHARP * found.explained for other in others)
