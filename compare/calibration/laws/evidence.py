"""What measured cycles say of the quantities of which the kick model is made.

log_kick        ln of the growth of ln(rho^2) in a period, ln(r T), once the network is not young
youth           by how much longer the first period is, over later ones
onset, landing  ln(elr) before and after a jump
onset_spread    ln of the standard deviation of ln(elr) before jumps
variation       ln of standard deviation over mean of the periods
reach           ln(elr) that decay alone would have reached at the first onset
first_spread    ln of the standard deviation of that over runs
growth          ln y of the share of the time during which the norm grows
loss_floor      ln of the training loss between jumps, in nats, at its lower tenth
"""

import math

import numpy as np

from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles, log_share
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import time_share
from theory.trajectory.regimes import PERIODIC_SHARE

QUANTITIES = (
    "log_kick",
    "youth",
    "onset",
    "landing",
    "onset_spread",
    "variation",
    "reach",
    "first_spread",
    "growth",
    "loss_floor",
)
CORRELATED = 1.2  # variance of a mean of successive cycles over that of independent ones
# Standard deviation of runs about the mean of their setting, beyond that of their cycles.
RUN_SCATTER = {"log_kick": 0.05, "onset": 0.06, "landing": 0.04}
FEWEST_FOR_SPREAD = 3
BORDER_OF_REGIMES = math.log(time_share(PERIODIC_SHARE))  # ln y, of sawtooth and equilibrium
BORDER = BORDER_OF_REGIMES - 0.3  # just inside that of the sawtooth
BEYOND = 0.4  # further error, of logarithms, of what settings beyond it say; twice that of noise
# Share of the time since the first jump during which the norm grows, which few cycles tell badly:
# half-way between that of the border, 1/4, and noise, 1/2.
NOISE = 3 / 8
# Standard deviation of a cycle (of ln y: over runs, times the root of their cycles) or of a run.
SCATTER = {"landing": 0.25, "growth": 1.3, "loss_floor": 0.3}
FADES = 2.0  # periods, in which the youth of a network has faded to 1/e
SMALLEST_SPAN = 0.05  # sum of squares, of ages about their mean
SHORTEST_FIRST = 0.5  # periods of a young network over later ones, at least
KICKS = (0.05, 20.0)  # that are not absurd, of ln(rho^2)
SPREADS = (0.02, 3.0)  # that are not absurd, of periods over their mean and of ln(elr)


def learn(laws: Laws, settings: list[SettingCycles]) -> Laws:
    """What is known of a network once the cycles of some settings were seen.

    Complete cycles first; then what did not end, where it took longer than was to be expected.

    Args:
        laws: what was known before.
        settings: their cycles.
    """
    for cycles in settings:
        laws = _mean(laws, "growth", cycles, _growth(cycles), max(cycles.n_cycles, 1))
    settings = [cycles for cycles in settings if not _at_rest(cycles)]
    told = [(one, _beyond(laws, one)) for one in settings]
    for cycles, further in told:  # spreads before means: they say how well means are known
        laws = _spread(laws, "onset_spread", cycles, _all(cycles, "next_onsets"), further)
        lengths = _all(cycles, "lengths")
        relative = lengths / lengths.mean() if len(lengths) else lengths
        laws = _spread(laws, "variation", cycles, relative, further)
    for cycles in settings:
        laws = _spread(laws, "first_spread", cycles, _reaches(cycles))
    for cycles, further in told:
        laws = _mean(laws, "onset", cycles, _all(cycles, "next_onsets"), further=further)
        laws = _mean(laws, "landing", cycles, _all(cycles, "all_landings"), further=further)
        floors = _all(cycles, "loss_floor")
        laws = _mean(laws, "loss_floor", cycles, floors[np.isfinite(floors)], further=further)
    sawtooths = [cycles for cycles, further in told if not further]
    for cycles in sawtooths:
        laws = _youth(laws, cycles)
    for cycles in settings:
        laws = _mean(laws, "reach", cycles, _reaches(cycles))
    for cycles, further in told:
        laws = _kick(laws, cycles, further)
    laws = laws.doubted()
    for cycles in sawtooths:
        laws = _unfinished(laws, cycles)
    for cycles in settings:
        laws = _no_jump(laws, cycles)
    return laws


def scatter(laws: Laws, quantity: str, intrinsic_lr: float) -> float:
    """Standard deviation of single values of a quantity in a setting; relative for kicks."""
    if quantity == "log_kick":
        return _spread_of(laws, "variation", intrinsic_lr)
    if quantity == "reach":
        return _spread_of(laws, "first_spread", intrinsic_lr)
    if quantity == "onset":
        return _spread_of(laws, "onset_spread", intrinsic_lr)
    return SCATTER[quantity]


def _spread_of(laws: Laws, quantity: str, intrinsic_lr: float) -> float:
    """A spread from the law of its logarithm."""
    return float(spreads(np.array(laws.of(quantity, intrinsic_lr)[0])))


def spreads(logs: FloatArray) -> FloatArray:
    """Spreads from their logarithms; none that is absurd far from all that was seen."""
    return np.asarray(np.exp(np.clip(logs, *np.log(SPREADS))))


def kick_of(laws: Laws, intrinsic_lr: float) -> float:
    """Middle of what the growth of ``ln(rho^2)`` in a period may be."""
    return float(as_kicks(np.array(laws.of("log_kick", intrinsic_lr)[0])))


def as_kicks(logs: FloatArray) -> FloatArray:
    """Kicks from their logarithms; none that is absurd far from all that was seen."""
    return np.asarray(np.exp(np.clip(logs, *np.log(KICKS))))


def _all(cycles: SettingCycles, name: str) -> FloatArray:
    return cycles.all(name) if cycles.runs else np.empty(0)


def _reaches(cycles: SettingCycles) -> FloatArray:
    return np.asarray(_all(cycles, "first_onset") + _all(cycles, "first_kick"))


def _at_rest(cycles: SettingCycles) -> bool:
    """Whether runs have come to rest and few go on jumping."""
    n_runs = len(cycles.runs) + cycles.n_resting
    n_periodic = sum(run.regime == "periodic" for run in cycles.runs)
    return cycles.n_resting > 0 and 2 * n_periodic <= n_runs


def _is_noise(cycles: SettingCycles) -> bool:
    """Whether growth and decay share the time once the first jump is over."""
    growing = _all(cycles, "growing_after")
    return len(growing) > 0 and float(growing.mean()) > NOISE


def _beyond(laws: Laws, cycles: SettingCycles) -> float:
    """Further error of what a setting says of the sawtooth, by what is known of its growing share.

    A sawtooth that fades into noise is not yet, or no longer, what it is at slower decay: next to
    what like networks say it counts for nothing, and for much where there are none.
    """
    if _is_noise(cycles):
        return 2 * BEYOND
    return BEYOND if laws.of("growth", cycles.intrinsic_lr)[0] > BORDER else 0.0


def _growth(cycles: SettingCycles) -> FloatArray:
    """``ln y`` of the runs; in one at rest the norm grows as long as it shrinks."""
    return np.append(_all(cycles, "growth"), np.full(cycles.n_resting, log_share(0.5)))


def _spread(
    laws: Laws,
    quantity: str,
    cycles: SettingCycles,
    values: FloatArray,
    further: float = 0.0,
) -> Laws:
    """Add the logarithm of a standard deviation, which n values tell to ``1/sqrt(2 (n - 1))``."""
    if len(values) < FEWEST_FOR_SPREAD or not values.std():
        return laws
    free = len(values) - 1
    spread = float(np.log(values.std(ddof=1)) + 0.5 / free)  # the logarithm is low by that
    error = math.hypot((2 * free) ** -0.5, further)
    return laws.seeing(quantity, cycles.intrinsic_lr, spread, error)


def _mean(
    laws: Laws,
    quantity: str,
    cycles: SettingCycles,
    values: FloatArray,
    n_values: int = 0,
    further: float = 0.0,
) -> Laws:
    """Add the mean of single values, by default as many as are independent."""
    if not len(values):
        return laws
    at, n_runs = cycles.intrinsic_lr, max(len(cycles.runs), 1)
    error = error_of_mean(laws, quantity, at, n_values or len(values), n_runs, further)
    return laws.seeing(quantity, at, float(values.mean()), error)


def error_of_mean(
    laws: Laws,
    quantity: str,
    intrinsic_lr: float,
    n_values: float,
    n_runs: int,
    further: float = 0.0,
) -> float:
    """Standard error of a mean in a setting, from so many values of so many runs.

    ``further`` is an error that all of them share.
    """
    error = scatter(laws, quantity, intrinsic_lr) * (CORRELATED / n_values) ** 0.5
    return math.hypot(error, RUN_SCATTER.get(quantity, 0.0) / n_runs**0.5, further)


def longer(youth: float | FloatArray, age: float | FloatArray) -> FloatArray:
    """Mean of some periods over later ones, by what is left in it of the first one's excess."""
    return np.maximum(1 + youth * age, SHORTEST_FIRST)


def still_young(n_periods: FloatArray) -> FloatArray:
    """What is left of the first period's excess in the mean of so many, none but whole ones."""
    fading = -np.expm1(-n_periods / FADES) / -np.expm1(-1 / FADES)
    return np.asarray(fading / n_periods)


def _ages(cycles: SettingCycles) -> FloatArray:
    """What is left of the first period's excess in each of the cycles."""
    return np.concatenate([np.exp(-np.arange(len(run.lengths)) / FADES) for run in cycles.runs])


def _youth(laws: Laws, cycles: SettingCycles) -> Laws:
    """Add by how much first periods are longer, from a line through all by their age."""
    lengths = _all(cycles, "lengths")
    if len(lengths) < FEWEST_FOR_SPREAD:
        return laws
    ages, at = _ages(cycles), cycles.intrinsic_lr
    span = float(((ages - ages.mean()) ** 2).sum())
    if span < SMALLEST_SPAN:  # all are as old
        return laws
    excess = float(np.polyfit(ages, lengths, 1)[0])
    # over later periods as they are expected: over those of the same few it would be biased
    over = float(longer(laws.of("youth", at)[0], float(ages.mean())))
    error = scatter(laws, "log_kick", at) * over * (CORRELATED / span) ** 0.5
    return laws.seeing("youth", at, excess * over / float(lengths.mean()), error)


def _kick(laws: Laws, cycles: SettingCycles, further: float) -> Laws:
    """Add the mean kick, as it would be without the first ones."""
    lengths, at = _all(cycles, "lengths"), cycles.intrinsic_lr
    if not len(lengths):
        return laws
    age, (youth, doubt) = float(_ages(cycles).mean()), laws.of("youth", at)
    over = float(longer(youth, age))
    kick = math.log(cycles.rate * float(lengths.mean()) / over)
    n_runs = len(cycles.runs)
    further = math.hypot(further, doubt * age / over)
    error = error_of_mean(laws, "log_kick", at, len(lengths), n_runs, further)
    return laws.seeing("log_kick", at, kick, error)


def _unfinished(laws: Laws, cycles: SettingCycles) -> Laws:
    """Add the periods that were not over when their runs ended."""
    at = cycles.intrinsic_lr
    for run in cycles.runs:
        if run.unfinished > 0:
            spread = scatter(laws, "log_kick", at)
            bound = math.log(cycles.rate * run.unfinished) + spread**2 / 2  # of the mean
            laws = laws.exceeding("log_kick", at, bound, spread)
    return laws


def _no_jump(laws: Laws, cycles: SettingCycles) -> Laws:
    """Add the first climbs that were not over when their runs ended."""
    at = cycles.intrinsic_lr
    for bound in cycles.never:
        laws = laws.exceeding("reach", at, bound, scatter(laws, "reach", at))
    return laws
