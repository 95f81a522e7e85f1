"""Which cheap runs tell most about an expensive one.

Pilots differ from the planned run in their weight decay alone, so that they start where it starts;
law 9 makes eta lam what counts. Every plan of a small grid (one to three decays, how many seeds,
how the budget is shared) is asked how well it would let the planned run's mean period and first
jump be known, by the same formula that later tells how well they are: the posterior's spread does
not depend on what will be measured.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compare.calibration.beginning import raised
from compare.calibration.laws import priors
from compare.calibration.laws.evidence import (
    BORDER,
    FEWEST_FOR_SPREAD,
    error_of_mean,
    kick_of,
    still_young,
)
from compare.calibration.laws.regularised import Laws
from compare.forecast.planned_run import PlannedRun
from theory.laws import decay_rate

LARGEST_DECAY = 0.05
OF_OSCILLATING = 0.9  # largest decay over that from which on decay oscillates with momentum
FASTER = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 1000.0, 3000.0)
# How many networks, how many periods of each, and ln y of the growing share of the fastest, all on
# the side of a sawtooth: fewer, and beyond its border, only where the budget allows no more.
TIERS: tuple[tuple[tuple[int, ...], float, float], ...] = (
    ((1, 2, 3, 4, 6), 3.0, BORDER),
    ((1,), 2.0, BORDER),
    ((1,), 2.0, BORDER + 1.0),
)
SHARES = ((1.0,), (0.7, 0.3), (0.5, 0.5), (0.3, 0.7), (0.5, 0.3, 0.2), (0.4, 0.3, 0.3))
RISE = 1.5  # of ln(elr) until the first jump at the usual rate, where nothing is known of it
SHORTEST_RISE = 0.5
FIRST_STEPS = 10.0
FIRST_WEIGHT = 0.03  # of the first jump beside the period
SHORTEST = 30  # steps


@dataclass(frozen=True)
class Pilot:
    """A setting of pilots.

    Attributes:
        decay: share of the norm that decay takes in a step; eta lam without momentum.
        n_seeds: runs.
        n_steps: length of each.
    """

    decay: float
    n_seeds: int
    n_steps: int

    @property
    def total(self) -> int:
        """Steps of all its runs together."""
        return self.n_seeds * self.n_steps


def choose(
    run: PlannedRun,
    laws: Laws,
    *,
    budget: float,
    least_speedup: float = 1.0,
) -> list[Pilot]:
    """The pilots that leave least uncertainty about the planned run.

    Args:
        run: the planned run.
        laws: what is known of its network before.
        budget: largest share of its steps that all pilots together may take.
        least_speedup: how much faster than the planned run the slowest pilot decays, at least.

    Raises:
        ValueError: if the budget allows no pilot that ends its second period, or nothing can be
            trained that is so much faster.
    """
    if least_speedup > 1 and run.decay * least_speedup > _largest(run):
        raise ValueError(
            f"least_speedup = {least_speedup:g} needs a decay of {run.decay * least_speedup:.3g} "
            f"of the norm a step, and pilots take at most {_largest(run):.3g}"
        )
    n_steps = int(budget * run.n_steps)
    for seeds, n_cycles, growth in TIERS:
        fastest = _fastest(run, laws, least_speedup, growth)
        plans = _plans(run, laws, n_steps, least_speedup, seeds, n_cycles, fastest)
        scored = [(_uncertainty(run, laws, plan), i, plan) for i, plan in enumerate(plans)]
        if scored:
            break
    else:
        largest = _decays(run, least_speedup, fastest)[-1]
        needed = math.ceil(max(_length(run, laws, largest, n_cycles), SHORTEST))
        raise ValueError(
            f"a budget of {budget:g} allows {n_steps} pilot steps, and the shortest pilot of "
            f"{n_cycles:g} periods takes {needed}; {_enough(run, needed, budget)}"
        )
    return min(scored)[2]


def _enough(run: PlannedRun, needed: int, budget: float) -> str:
    """What would allow a pilot of so many steps."""
    longer = f"plan {math.ceil(needed / budget)} steps"
    share = math.ceil(100 * needed / run.n_steps) / 100
    return f"give a budget of {share:g} or {longer}" if share <= 1 else longer


def _plans(
    run: PlannedRun,
    laws: Laws,
    n_steps: int,
    least_speedup: float,
    all_seeds: tuple[int, ...],
    n_cycles: float,
    fastest: float,
) -> Iterator[list[Pilot]]:
    """All plans of the grid within the budget."""
    decays = _decays(run, least_speedup, fastest)
    for shares in SHARES:
        for chosen in itertools.combinations(decays, len(shares)):
            for seeds in all_seeds:
                plan = [
                    _pilot(run, laws, decay, int(share * n_steps), seeds, n_cycles)
                    for decay, share in zip(chosen, shares, strict=True)
                ]
                if None not in plan:
                    yield [one for one in plan if one is not None]


def _decays(run: PlannedRun, least_speedup: float, fastest: float) -> list[float]:
    """Decays that pilots may have, rising."""
    decays = [run.decay * max(one, least_speedup) for one in FASTER]
    decays.append(max(fastest, decays[-1]))  # of very slow runs, for which no factor is enough
    return sorted({run.near(min(one, fastest)) for one in decays if one <= 1.5 * fastest})


def _fastest(run: PlannedRun, laws: Laws, least_speedup: float, growth: float) -> float:
    """Largest decay of a pilot: where the norm of most networks still moves as a sawtooth."""
    low, high = run.decay, LARGEST_DECAY
    grid = np.geomspace(high, 1e-6, 100)
    still = grid[[laws.of("growth", float(one))[0] <= growth for one in grid]]
    border = float(still[0]) if len(still) else high
    return max(low, min(max(border, low * least_speedup), _largest(run)))


def _largest(run: PlannedRun) -> float:
    """Largest decay that pilots of a run may have."""
    return min(LARGEST_DECAY, OF_OSCILLATING * run.largest_decay)


def _pilot(
    run: PlannedRun, laws: Laws, decay: float, n_steps: int, n_seeds: int, n_cycles: float
) -> Pilot | None:
    """Pilots of one setting that take so many steps; None where they would end too early."""
    length = min(n_steps // n_seeds, run.n_steps)
    if length < max(_length(run, laws, decay, n_cycles), SHORTEST):
        return None
    return Pilot(decay, n_seeds, length)


def _first(run: PlannedRun, laws: Laws, decay: float) -> float:
    """Expected step of the first jump: a rise as the known networks have, and steps."""
    return _rise(run) / decay_rate(decay) + FIRST_STEPS / (1 - laws.momentum)


def _rise(run: PlannedRun) -> float:
    """Of ln(elr) until the first jump: at a lower rate a run starts lower and has further to go."""
    away = math.log(priors.times_rate(run.recipe.model, run.learning_rate, run.momentum))
    return max(RISE + raised(away, priors.GROWTH) - away, SHORTEST_RISE)


def _period(laws: Laws, decay: float) -> float:
    return kick_of(laws, decay) / decay_rate(decay)


def _length(run: PlannedRun, laws: Laws, decay: float, n_cycles: float) -> float:
    """Steps until so many periods are expected to be complete."""
    return _first(run, laws, decay) + n_cycles * _period(laws, decay)


def _uncertainty(run: PlannedRun, laws: Laws, plan: list[Pilot]) -> tuple[float, int]:
    """Relative variance of the period, and of the first jump with its weight; fewer steps win."""
    for pilot in plan:
        cycles = (pilot.n_steps - _first(run, laws, pilot.decay)) / _period(laws, pilot.decay)
        laws = expecting(laws, pilot, max(cycles, 0.5))
    _, spread = laws.of("log_kick", run.decay)  # of a logarithm: relative
    first = laws.of("reach", run.decay)[1] / _rise(run)
    total = sum(one.total for one in plan)
    return spread**2 + FIRST_WEIGHT * first**2, total


def expecting(laws: Laws, pilot: Pilot, n_cycles: float) -> Laws:
    """What would be known after a pilot whose runs complete so many periods each."""
    at, n_cycles, n_runs = pilot.decay, n_cycles * pilot.n_seeds, pilot.n_seeds
    middle, _ = laws.at(at)
    expected = dict(zip(laws.prior.names, middle, strict=True))
    for name in ("log_kick", "onset", "landing", "reach", "growth", "loss_floor"):
        n_values = n_runs if name in ("reach", "loss_floor") else n_cycles
        young = still_young(np.array(n_cycles / n_runs)) if name == "log_kick" else 0.0
        further = float(young) * laws.of("youth", at)[1]
        error = error_of_mean(laws, name, at, n_values, n_runs, further)
        laws = laws.seeing(name, at, expected[name], error)
    for name, n_values in (
        ("onset_spread", n_cycles),
        ("variation", n_cycles),
        ("first_spread", n_runs),
    ):
        if n_values >= FEWEST_FOR_SPREAD:
            laws = laws.seeing(name, at, expected[name], (2 * (n_values - 1)) ** -0.5)
    return laws
