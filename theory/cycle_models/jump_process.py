r"""A piecewise-deterministic Markov process for the log of the effective learning rate u.

Between jumps decay moves u exactly, by ``r = -2 ln(1 - eta lam)`` a step. A jump comes at the
hazard h(u) a step, and takes a drop from u that a kernel draws. In time t since the last jump

    P(no jump yet) = exp(-int_0^t h(u + r s) ds) = exp(-[H(u + r t) - H(u)] / r),   H' = h,

so that a jump is drawn exactly: H(u at the jump) = H(u) + r E, with E exponential of mean 1. A
hazard that is a sharp step gives the relaxation oscillator; a constant one a Poisson process.

``measure`` takes hazard and kernel from trajectories. Destabilisation goes with the rise of u, not
with time, so what is measured is the hazard per unit of u, and ``h = r`` times that at any other
eta lam. Fitted to a logistic toy at eta lam = 1e-2, the process meets period and elr before and
after a jump within 10 % down to 1e-4, where a period is a hundred times as long. It has no
memory: in the toy u before a jump falls with u after the last one (correlation -0.9).

Source: Davis 1984 for such processes; hypothesis 3 of the project's theory for this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_trapezoid

from theory import validate
from theory.arrays import FloatArray
from theory.laws import decay_rate
from theory.trajectory.jumps import JUMP_LOG_ELR, find_jumps

MIN_JUMPS = 20
NEIGHBOURS = 10
# drop of u at a jump from u
Kernel = Callable[[float, np.random.Generator], float]


@dataclass(frozen=True)
class Hazard:
    """Tabulated hazard; constant beyond both ends, linear between.

    Attributes:
        log_elr: u, rising, (n,).
        rate: h, jumps a step, 0 or more and above 0 at the last u, so that every rise ends, (n,).

    Raises:
        ValueError: if the table is not that.
    """

    log_elr: FloatArray
    rate: FloatArray

    def __post_init__(self) -> None:
        u, h = np.asarray(self.log_elr), np.asarray(self.rate)
        if u.ndim != 1 or u.shape != h.shape or len(u) < 2 or not (np.diff(u) > 0).all():
            raise ValueError(f"log_elr must rise, with a rate each, got {u.shape} and {h.shape}")
        if not (np.isfinite(h).all() and h.min() >= 0 and h[-1] > 0):
            raise ValueError(f"rate must be finite, >= 0 and above 0 at last, got {h.min():g}")


@dataclass(frozen=True)
class JumpLaw:
    """Hazard and kernel measured from jumps.

    Attributes:
        rise: h / r, jumps per unit of u.
        before: u before each measured jump, rising, (n,).
        drops: drop of u at each, (n,).
    """

    rise: Hazard
    before: FloatArray
    drops: FloatArray

    def hazard(self, intrinsic_lr: float) -> Hazard:
        """The hazard per step at an intrinsic learning rate."""
        return Hazard(self.rise.log_elr, self.rise.rate * decay_rate(intrinsic_lr))

    def drop(self, log_elr: float, rng: np.random.Generator) -> float:
        """Drop of one of the ``NEIGHBOURS`` measured jumps nearest in u."""
        place = int(np.searchsorted(self.before, log_elr)) - NEIGHBOURS // 2
        first = min(max(place, 0), len(self.before) - NEIGHBOURS)
        return float(self.drops[first + rng.integers(NEIGHBOURS)])


@dataclass(frozen=True)
class JumpPaths:
    """Jumps of an ensemble; arrays are (n_runs, n_jumps).

    Attributes:
        step: time of each jump, in steps.
        before: u just before it.
        after: u just after it.
    """

    step: FloatArray
    before: FloatArray
    after: FloatArray


def measure(log_elr: FloatArray, *, min_drop: float = JUMP_LOG_ELR, bins: int = 12) -> JumpLaw:
    """Measure hazard and kernel: jumps in a class of u over the rise spent there.

    Args:
        log_elr: u of consecutive steps, (n_steps,), or of several runs, (n_steps, n).
        min_drop: smallest rise and fall that count.
        bins: classes of u, with about as many jumps each; the hazard is constant in a class.

    Raises:
        ValueError: if there are too few jumps.
    """
    starts: list[float] = []
    before: list[float] = []
    after: list[float] = []
    for run in np.atleast_2d(np.asarray(log_elr, dtype=float).T):
        jumps = find_jumps(run, min_drop=min_drop)
        landed = len(jumps.landings)  # the last fall may not be over
        starts.extend(run[jumps.landings[: max(landed - 1, 0)]])
        before.extend(run[jumps.onsets[1:landed]])
        after.extend(run[jumps.landings[1:landed]])
    if len(before) < MIN_JUMPS:
        raise ValueError(f"a hazard needs at least {MIN_JUMPS} jumps, got {len(before)}")
    low, high = np.array(starts), np.array(before)
    edges = np.unique(np.quantile(high, np.linspace(0, 1, bins + 1)))
    edges[0] -= (edges[-1] - edges[0]) / len(high)  # the lowest jump lies above the edge
    exposure = np.clip(high, edges[:-1, None], edges[1:, None])
    exposure = (exposure - np.clip(low, edges[:-1, None], edges[1:, None])).sum(axis=1)
    rate = np.histogram(high, edges)[0] / exposure
    inner = np.spacing(edges[1:-1])
    steps = np.sort(np.concatenate([edges, edges[1:-1] + inner]))
    below = edges[0] - 1e-9
    order = np.argsort(high)
    return JumpLaw(
        Hazard(np.append(below, steps), np.append(0.0, np.repeat(rate, 2))),
        high[order],
        (high - np.array(after))[order],
    )


def simulate(
    hazard: Hazard,
    kernel: Kernel,
    intrinsic_lr: float,
    *,
    log_elr: float,
    n_jumps: int,
    seeds: list[int],
) -> JumpPaths:
    """Draw trajectories, each from a generator of its own.

    Args:
        hazard: h(u).
        kernel: drop of u at a jump, 0 or more.
        intrinsic_lr: eta lam, in (0, 1).
        log_elr: u at the start of each.
        n_jumps: jumps of each trajectory.
        seeds: one for each trajectory.

    Raises:
        ValueError: if a value is out of range or the kernel returns a negative drop.
    """
    if not 0 < intrinsic_lr < 1:
        raise ValueError(f"intrinsic_lr must be in (0, 1), got {intrinsic_lr}")
    validate.at_least("n_jumps", n_jumps, 1)
    rate = decay_rate(intrinsic_lr)
    grid, total = _accumulated(hazard)
    paths = np.empty((3, len(seeds), n_jumps))
    for row, seed in enumerate(seeds):
        rng = np.random.default_rng(validate.at_least("seed", seed, 0))
        u, time = float(log_elr), 0.0
        for jump in range(n_jumps):
            onset = _onset(u, rate * rng.exponential(), hazard, grid, total)
            time += (onset - u) / rate
            u = onset - validate.non_negative("drop", kernel(onset, rng))
            paths[:, row, jump] = time, onset, u
    return JumpPaths(*paths)


def _accumulated(hazard: Hazard) -> tuple[FloatArray, FloatArray]:
    """A fine grid of u, and H on it."""
    u = np.asarray(hazard.log_elr, dtype=float)
    grid = np.unique(np.append(np.linspace(u[0], u[-1], 4001), u))
    return grid, cumulative_trapezoid(np.interp(grid, u, hazard.rate), grid, initial=0)


def _onset(u: float, amount: float, hazard: Hazard, grid: FloatArray, total: FloatArray) -> float:
    """The u at which H has grown by an amount."""
    first, last = float(hazard.rate[0]), float(hazard.rate[-1])
    if u < grid[0]:
        if first * (grid[0] - u) > amount:
            return u + amount / first
        amount -= first * (grid[0] - u)
        u = float(grid[0])
    if u >= grid[-1]:
        return u + amount / last
    target = float(np.interp(u, grid, total)) + amount
    if target >= total[-1]:
        return float(grid[-1] + (target - total[-1]) / last)
    return max(u, float(np.interp(target, total, grid)))
