"""What will happen to a run, drawn from what is known of its network.

Everything that is not known is drawn together: the quantities of the network at the run's setting
from their posteriors (``calibration.laws.regularised``), then runs with their scatter. The first
jump comes when decay has raised ``ln(elr)`` by a log-normal rise, for it cannot come before the
start; periods are gamma distributed about the mean of the network drawn.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import truncnorm

from compare.calibration.laws.evidence import (
    BORDER_OF_REGIMES,
    SCATTER,
    as_kicks,
    longer,
    spreads,
    still_young,
)
from compare.calibration.laws.regularised import Laws
from theory.arrays import FloatArray
from theory.laws import decay_rate

N_DRAWS = 2000
SEED = 0
MOST_CYCLES = 2000
LOW, HIGH = 0.05, 0.95
SMALLEST_RISE = 0.01  # of ln(elr), to the first jump
SMALLEST_DROP = 0.1
OPEN_LEVEL = 1.5  # standard deviation of a level of ln(elr) that nothing was seen of
FAR = 100.0  # times slower, or 2 times faster, than all that was seen: a word of caution
FASTER = 2.0


@dataclass(frozen=True)
class Network:
    """Networks as they may be at a setting; one entry a draw, (n_draws,).

    Attributes:
        rate: rise of ``ln(elr)`` by decay in a step.
        period: mean number of steps between the jumps of a run.
        variation: standard deviation of single periods over their mean.
        first: mean step of the first jump.
        first_spread: its standard deviation over runs, steps.
        onset: mean ``ln(elr)`` before a jump.
        landing: mean ``ln(elr)`` after it.
        growth: ``ln y`` of the share of the time during which the norm grows.
    """

    rate: float
    period: FloatArray
    variation: FloatArray
    first: FloatArray
    first_spread: FloatArray
    onset: FloatArray
    landing: FloatArray
    growth: FloatArray


def networks(
    laws: Laws,
    decay: float,
    start: float,
    *,
    n_steps: float | None = None,
    n_draws: int = N_DRAWS,
    seed: int = SEED,
) -> Network:
    """Draw what the network may be like.

    Args:
        laws: what is known of it.
        decay: share of the norm that decay takes in a step.
        start: ``ln(elr)`` at initialisation.
        n_steps: of the run, whose first periods are not like later ones; None for these.
        n_draws: how many.
        seed: of the draws; the same draws for the same laws.
    """
    mean, covariance = laws.at(decay)
    rng, names = np.random.default_rng(seed), laws.prior.names
    rows = rng.multivariate_normal(mean, covariance, n_draws, check_valid="ignore", method="eigh")
    drawn = dict(zip(names, rows.T, strict=True))
    rate = decay_rate(decay)
    reach, spread = laws.of("reach", decay)
    rise = _positive(drawn["reach"] - start, reach - start, spread)
    period = as_kicks(drawn["log_kick"]) / rate
    if n_steps is not None:
        n_periods = np.maximum((n_steps - rise / rate) / period, 1.0)
        period = period * longer(drawn["youth"], still_young(n_periods))
    return Network(
        rate=rate,
        period=period,
        variation=spreads(drawn["variation"]),
        first=rise / rate,
        first_spread=spreads(drawn["first_spread"]) / rate,
        onset=drawn["onset"],
        landing=np.minimum(drawn["landing"], drawn["onset"] - SMALLEST_DROP),
        growth=drawn["growth"],
    )


def _positive(drawn: FloatArray, mean: float, spread: float) -> FloatArray:
    """Normal draws of this mean and spread as those of the normal distribution above 0."""
    if not spread:
        return np.full(len(drawn), max(mean, SMALLEST_RISE))
    levels = ndtr((drawn - mean) / spread)
    above = truncnorm.ppf(levels, -mean / spread, np.inf, mean, spread)
    return np.asarray(np.maximum(above, SMALLEST_RISE))


def jump_times(network: Network, n_steps: float, *, seed: int = SEED) -> FloatArray:
    """Draw the jumps of one run of each network.

    Args:
        network: networks as they may be.
        n_steps: length of the run.
        seed: of the draws.

    Returns:
        Steps of the jumps, rising, infinite beyond the end; (n_draws, n_jumps), at least one and
        at most ``MOST_CYCLES`` of them.
    """
    rng = np.random.default_rng([seed, 1])
    times = [first_jumps(network, seed=seed)]
    shape = network.variation**-2
    while len(times) < MOST_CYCLES and (times[-1] < n_steps).any():
        times.append(times[-1] + rng.gamma(shape, network.period / shape))
    found = np.stack(times, axis=1)
    return np.where(found < n_steps, found, np.inf)


def n_jumps(network: Network, times: FloatArray, n_steps: float, *, seed: int = SEED) -> FloatArray:
    """How often one run of each network jumps, (n_draws,).

    Args:
        network: networks as they may be.
        times: of their jumps, from ``jump_times``; after the last that is drawn of a run that goes
            on, their number is drawn as that of a renewal process of many periods, which is normal
            (Feller 1971, An Introduction to Probability Theory II, section XI.5).
        n_steps: length of the run.
        seed: of the draws.
    """
    counted = np.isfinite(times).sum(axis=1).astype(float)
    n_periods = undrawn_steps(times, n_steps) / network.period
    z = np.random.default_rng([seed, 4]).standard_normal(len(counted))
    further = n_periods + network.variation * np.sqrt(n_periods) * z
    return np.asarray(counted + np.maximum(np.rint(further), 0.0))


def undrawn_steps(times: FloatArray, n_steps: float) -> FloatArray:
    """Steps of each run after the last jump that was drawn of it, 0 where all were, (n_draws,)."""
    last = times[:, -1]
    return np.where(np.isfinite(last), n_steps - last, 0.0)


def first_jumps(network: Network, *, seed: int = SEED) -> FloatArray:
    """Draw the step of the first jump of one run of each network, (n_draws,)."""
    middle, width = _of_first(network)
    z = np.random.default_rng([seed, 3]).standard_normal(len(middle))
    return np.asarray(np.exp(middle + width * z))


def no_jump(network: Network, n_steps: float) -> FloatArray:
    """Probability that a run of each network ends before its first jump, (n_draws,)."""
    middle, width = _of_first(network)
    return np.asarray(ndtr((middle - np.log(n_steps)) / width))


def _of_first(network: Network) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the logarithm of the first jump."""
    variance = np.log1p((network.first_spread / network.first) ** 2)
    return np.log(network.first) - variance / 2, np.sqrt(variance)


def single_periods(network: Network, *, seed: int = SEED) -> FloatArray:
    """Draw one period of each network, steps, (n_draws,)."""
    shape = network.variation**-2
    return np.random.default_rng([seed, 2]).gamma(shape, network.period / shape)


def regime_probabilities(
    network: Network, n_steps: float, diverged: float = 0.0, resting: float = 0.0
) -> dict[str, float]:
    """Probability of each regime that a run of so many steps may be seen in.

    ``convergence`` if it ends before its first jump; otherwise by the share of the time during
    which the norm grows, see ``theory.cycle_models.kick_model``.

    Args:
        network: networks as they may be.
        n_steps: length of the run.
        diverged: probability that it stops being finite.
        resting: probability that it comes to rest without a jump, where else it would jump.
    """
    jumps = 1 - no_jump(network, n_steps)
    n_cycles = np.clip((n_steps - network.first) / network.period, 1, None)
    sawtooth = ndtr((BORDER_OF_REGIMES - network.growth) * np.sqrt(n_cycles) / SCATTER["growth"])
    sawtooth = (1 - resting) * sawtooth
    finite = 1 - diverged
    return {
        "periodic": finite * float((jumps * sawtooth).mean()),
        "equilibrium": finite * float((jumps * (1 - sawtooth)).mean()),
        "convergence": finite * float((1 - jumps).mean()),
        "divergence": diverged,
    }


def summary(
    network: Network,
    learning_rate: float,
    n_steps: float,
    *,
    diverged: float = 0.0,
    resting: float = 0.0,
) -> dict[str, Any]:
    """What will happen to a run, in numbers by the names of the vocabulary.

    Args:
        network: networks as they may be, from ``networks``.
        learning_rate: eta.
        n_steps: length of the run.
        diverged: probability that it stops being finite.
        resting: probability that it comes to rest without a jump, where else it would jump.

    Returns:
        ``regime`` and ``regime_probability``; ``period`` (steps; the median of what the mean may
        be) with 90 % of single periods in ``period_low/high`` and of means in
        ``mean_period_low/high``; ``first_jump`` likewise, and ``effective_lr_before_jump`` and
        ``.._after_jump``; ``n_jumps_low/high`` within the run; ``equilibrium_norm``, None but in an
        equilibrium, which has no periods.
    """
    chances = regime_probabilities(network, n_steps, diverged, resting)
    regime = max(chances, key=lambda name: chances[name])
    said: dict[str, Any] = {"regime": regime, "regime_probability": chances[regime]}
    numbers: Mapping[str, Any] = sawtooth(network, n_steps, resting)
    if regime in ("equilibrium", "divergence"):
        numbers = dict.fromkeys(numbers, None)
    settles = regime == "equilibrium" and _known(network.onset)
    rest = _rest(network, learning_rate) if settles else None
    return {**said, **numbers, "equilibrium_norm": rest}


def sawtooth(network: Network, n_steps: float, resting: float = 0.0) -> dict[str, float | None]:
    """Periods and jumps of a run by the names of ``summary``, whatever its regime may be.

    None for elr where no jump was seen: its level is that of the network alone. A share ``resting``
    of the runs counts as without a jump.
    """
    counts = n_jumps(network, jump_times(network, n_steps), n_steps)
    counts[: round(resting * len(counts))] = 0  # one draw is as good as another
    first = first_jumps(network)
    found: dict[str, float | None] = {}
    found["period"] = float(np.median(network.period))
    found |= _ends("period", single_periods(network)) | _ends("mean_period", network.period)
    found["first_jump"] = float(np.median(first))
    found |= _ends("first_jump", first)
    for name, logs in (("before", network.onset), ("after", network.landing)):
        known = _known(logs)
        quantity = f"effective_lr_{name}_jump"
        found[quantity] = float(np.exp(np.median(logs))) if known else None
        ends = _ends(quantity, np.exp(logs))
        found |= ends if known else dict.fromkeys(ends, None)
    return found | _ends("n_jumps", counts)


def _known(logs: FloatArray) -> bool:
    """Whether a level of ln(elr) was seen at all."""
    return float(logs.std()) < OPEN_LEVEL


def _ends(name: str, values: FloatArray) -> dict[str, float]:
    low, high = interval(values)
    return {f"{name}_low": low, f"{name}_high": high}


def _rest(network: Network, learning_rate: float) -> float:
    """Norm half-way between onset and landing, where kicks have merged."""
    middle = float(np.median(network.onset + network.landing)) / 2
    return math.sqrt(learning_rate / math.exp(middle))


def interval(values: FloatArray) -> tuple[float, float]:
    """5th and 95th percentile."""
    low, high = np.quantile(values, [LOW, HIGH], method="closest_observation")
    return float(low), float(high)


def far(result: Mapping[str, Any]) -> str:
    """A sentence on a setting far outside what was seen; "" inside."""
    factor = result["extrapolation"]
    if factor < 1 / FASTER:
        times, way = 1 / factor, "faster"
    elif factor > FAR:
        times, way = factor, "slower"
    else:
        return ""
    return (
        f"It decays {times:.3g} times {way} than anything that was seen: the intervals are wide "
        "because nobody has looked there, and something of another kind may happen."
    )
