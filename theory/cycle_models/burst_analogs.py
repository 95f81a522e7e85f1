r"""Bursts of gradients by analogy: what followed the most similar states of runs on the sphere.

The state of a run is ``ln(elr)``, ``ln(g)`` of the last step and its means over the last 3 and 100
steps (exponential, from the first step on). What follows is drawn from the steps that followed the
most similar states seen at a fixed norm, where elr was prescribed. With decay elr follows from the
exact norm law instead,

    u' = u + r - ln(1 + phi^2 g^2),    u = ln(elr),    phi = elr exp(r/2),

so that runs with any decay can be drawn from the same few runs on the sphere. Rare beginnings of
bursts, long after the last one, come from ``theory.cycle_models.burst_hazard``, which continues
them to slower decay than the runs on the sphere have seen.

Source: our own; Lorenz 1969 for forecasts by analogy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter
from scipy.spatial import KDTree

from theory.arrays import BoolArray, FloatArray, IntArray
from theory.cycle_models import burst_hazard
from theory.cycle_models.burst_hazard import BURST, QUIET_STEPS, BurstHazard
from theory.laws import decay_rate

MEMORY = np.array([1.0, 3.0, 100.0])  # steps over which ln(g) is averaged
SCALE = np.array([0.15, 0.35, 0.25, 0.15])  # of u and these means: a distance of 1
NEIGHBOURS = 3
SIMILAR_BURSTS = 8  # nearest in u, from which the first step of a burst is drawn


@dataclass(frozen=True)
class SphereRun:
    """A run at a fixed norm.

    Attributes:
        log_elr: ``ln(elr)`` of each step, as prescribed, (n_steps,).
        log_g: ``ln(g)`` of each step, (n_steps,).
    """

    log_elr: FloatArray
    log_g: FloatArray


@dataclass(frozen=True)
class SphereProcess:
    """What runs on the sphere say of runs with decay.

    Attributes:
        states: scaled states before each step, to be searched.
        following: ``ln(g)`` of the step after each state, (n,).
        starts: ``ln(g)`` of the first steps after initialisations, (n_runs,).
        burst_log_elr: ``ln(elr)`` of beginnings of bursts, to be searched.
        bursts: means of ``ln(g)`` after the first step of each, (n_bursts, 3).
        first: hazard of the first burst.
        later: hazard of the others.
    """

    states: KDTree
    following: FloatArray
    starts: FloatArray
    burst_log_elr: KDTree
    bursts: FloatArray
    first: BurstHazard
    later: BurstHazard


def learn(runs: Sequence[SphereRun]) -> SphereProcess:
    """Collect states and bursts of runs on the sphere.

    Raises:
        ValueError: if there are too few bursts to know their hazard.
    """
    means = [running_means(run.log_g) for run in runs]
    quiet = [burst_hazard.quiet_steps(run.log_elr, run.log_g) for run in runs]
    states = [
        np.column_stack([run.log_elr[1:], mean[:-1]]) for run, mean in zip(runs, means, strict=True)
    ]
    begins = [one.step[one.burst] for one in quiet]
    names = ("log_elr", "log_progress", "burst", "first")
    log_elr, log_progress, burst, first = (
        np.concatenate([getattr(one, name) for one in quiet]) for name in names
    )
    return SphereProcess(
        states=KDTree(np.concatenate(states) / SCALE),
        following=np.concatenate([run.log_g[1:] for run in runs]),
        starts=np.array([run.log_g[0] for run in runs]),
        burst_log_elr=KDTree(log_elr[burst][:, None]),
        bursts=np.concatenate([mean[at] for mean, at in zip(means, begins, strict=True)]),
        first=burst_hazard.fit(log_elr[first], log_progress[first], burst[first]),
        later=burst_hazard.fit(log_elr[~first], log_progress[~first], burst[~first]),
    )


def running_means(log_g: FloatArray) -> FloatArray:
    """Exponential means of ``ln(g)`` over ``MEMORY`` steps up to each one, (n_steps, 3)."""
    shares = 1 / MEMORY
    columns = [
        lfilter([share], [1, share - 1], log_g, zi=[(1 - share) * log_g[0]])[0] for share in shares
    ]
    return np.column_stack(columns)


def simulate(
    process: SphereProcess,
    intrinsic_lr: float,
    log_elr: float,
    *,
    n_chains: int,
    n_steps: int,
    rng: Generator,
) -> FloatArray:
    """Draw runs with decay.

    Args:
        process: learnt on the sphere.
        intrinsic_lr: eta lam, in (0, 1).
        log_elr: ``ln(elr)`` at the initialisation.
        n_chains: runs.
        n_steps: steps of each.
        rng: source of randomness.

    Returns:
        ``ln(elr)`` before each step, (n_steps, n_chains).
    """
    chains = _Chains(process, decay_rate(intrinsic_lr), log_elr, n_chains, rng)
    trajectory = np.empty((n_steps, n_chains))
    for step in range(n_steps):
        trajectory[step] = chains.u
        chains.advance(step)
    return trajectory


class _Chains:
    """The states of runs that are drawn together."""

    def __init__(
        self, process: SphereProcess, rate: float, log_elr: float, n_chains: int, rng: Generator
    ) -> None:
        self.process, self.rate, self.rng = process, rate, rng
        self.u, self.progress = np.full(n_chains, log_elr), np.zeros(n_chains)
        self.means = np.repeat(rng.choice(process.starts, n_chains)[:, None], len(MEMORY), axis=1)
        self.since = np.zeros(n_chains, dtype=np.int64)  # the last step of a burst
        self.fresh = np.ones(n_chains, dtype=np.bool_)  # none since the initialisation

    def advance(self, step: int) -> None:
        """Do a step of every chain."""
        growth = np.zeros(len(self.u))  # a quiet step adds nothing worth counting
        near = self.since <= QUIET_STEPS
        self._follow(np.flatnonzero(near))
        begins = self._begins(np.flatnonzero(~near))
        self._begin(begins)
        moving = np.union1d(np.flatnonzero(near), begins)
        growth[moving] = self._growth(moving)
        growth[begins] = np.maximum(growth[begins], BURST)
        in_burst: BoolArray = growth >= BURST
        self.fresh &= ~(in_burst & (step > QUIET_STEPS))
        self.since = np.where(in_burst, 0, self.since + 1)
        self.progress = np.where(in_burst, 0.0, self.progress + np.exp(self.u))
        self.u = self.u + self.rate - growth

    def _growth(self, chains: IntArray) -> FloatArray:
        """Growth of ``ln(rho^2)`` in the step, by the exact law."""
        log_angle = self.u[chains] + self.rate / 2 + self.means[chains, 0]
        return np.asarray(np.log1p(np.exp(2 * log_angle)))

    def _follow(self, chains: IntArray) -> None:
        """Draw the gradient of chains in or shortly after a burst from similar states."""
        if not len(chains):
            return
        states = np.column_stack([self.u[chains], self.means[chains]]) / SCALE
        _, similar = self.process.states.query(states, k=NEIGHBOURS)
        log_g = self.process.following[self._one_of(similar)]
        self.means[chains] += (log_g[:, None] - self.means[chains]) / MEMORY

    def _begins(self, chains: IntArray) -> IntArray:
        """Which of the quiet chains begin a burst."""
        u, log_progress = self.u[chains], np.log(self.progress[chains])
        first, later = self.process.first, self.process.later
        hazard = np.where(self.fresh[chains], first(u, log_progress), later(u, log_progress))
        return chains[self.rng.random(len(chains)) < hazard]

    def _begin(self, chains: IntArray) -> None:
        """Draw the first step of a burst from those at a similar effective learning rate."""
        if not len(chains):
            return
        most = min(SIMILAR_BURSTS, len(self.process.bursts))
        _, similar = self.process.burst_log_elr.query(self.u[chains, None], k=[*range(1, most + 1)])
        self.means[chains] = self.process.bursts[self._one_of(similar)]

    def _one_of(self, similar: IntArray) -> IntArray:
        """Choose one of the neighbours of each chain, (n_chains,)."""
        places = self.rng.integers(similar.shape[1], size=len(similar))
        return np.asarray(similar[np.arange(len(similar)), places])
