r"""The hazard of a burst of gradients at a fixed norm, and the onsets of jumps that follow from it.

At a fixed norm nothing can jump, but gradients burst: for some steps they turn the weights so far
that without the fixed norm it would grow by ``ln(1 + phi^2 g^2)`` a step. Measured on the sphere, a
burst comes with a probability per step of

    h(elr, tau) = A elr^a tau^-b,

where tau is the sum of the effective learning rates (elr) since the last burst, the time of
gradient flow. Between two jumps of a run with decay elr rises as ``exp(r t)`` from its landing, so
``tau = (elr - elr_0)/r``, and up to an elr the hazard adds up to

    H = A r^(b - 1) * integral from elr_0 of e^(a - 1) (e - elr_0)^-b de.

At b = 1 decay drops out: jumps begin at the same effective learning rates, however slow the decay.
Far above the landing they have a Weibull distribution, ``H = A elr^2/2`` for a = 3, and ``ln(elr)``
at an onset a standard deviation of ``pi/(sqrt(6) (a - b))``. Measured: docs/results.md.

Source: our own; Davis 1984 for processes with such hazards.
"""

from dataclasses import dataclass

import numpy as np

from theory.arrays import BoolArray, FloatArray, IntArray

BURST = 0.05  # growth of ln(rho^2) in a step that belongs to a burst
QUIET_STEPS = 100  # without one, after which the next burst is a new one
MIN_BURSTS = 10  # to fit three numbers
NEWTON_STEPS = 50
LONGEST_CLIMB = 8.0  # of ln(elr), over which the mean onset is summed up
GRID = 4000


@dataclass(frozen=True)
class QuietSteps:
    """Steps at which a burst could begin, and whether it did.

    Attributes:
        log_elr: ``ln(elr)`` of each, (n,).
        log_progress: ``ln(tau)`` before it, (n,).
        burst: whether a burst begins, (n,).
        first: whether there has been none since the initialisation, (n,).
        step: its number in the run, (n,).
    """

    log_elr: FloatArray
    log_progress: FloatArray
    burst: BoolArray
    first: BoolArray
    step: IntArray


@dataclass(frozen=True)
class BurstHazard:
    """Coefficients of the hazard, with their standard errors.

    Attributes:
        log_scale: ``ln A``.
        exponent: a.
        fading: b.
        errors: standard errors of a and b, (2,).
        n_bursts: that it was fitted to.
    """

    log_scale: float
    exponent: float
    fading: float
    errors: tuple[float, float]
    n_bursts: int

    def __call__(self, log_elr: FloatArray, log_progress: FloatArray) -> FloatArray:
        """Probability of a burst in a step, at most 1, (n,)."""
        log_hazard = self.log_scale + self.exponent * log_elr - self.fading * log_progress
        return np.exp(np.minimum(log_hazard, 0.0))


def quiet_steps(log_elr: FloatArray, log_g: FloatArray) -> QuietSteps:
    """Find the steps of a run on the sphere that follow ``QUIET_STEPS`` without a burst.

    Args:
        log_elr: ``ln(elr)`` of consecutive steps, (n_steps,).
        log_g: ``ln(g)`` of the same, (n_steps,).
    """
    steps, elr = np.arange(len(log_elr)), np.exp(log_elr)
    in_burst = np.log1p(np.exp(2 * (log_elr + log_g))) > BURST
    before = np.concatenate([[-1], _latest(in_burst)[:-1]])
    progress = np.cumsum(elr)
    tau = progress - elr - np.where(before >= 0, progress[before], 0.0)
    quiet = steps - before > QUIET_STEPS
    begins = quiet & in_burst
    first = np.cumsum(begins) - begins == 0
    parts = (log_elr, np.log(np.maximum(tau, 1e-300)), begins, first, steps)
    return QuietSteps(*(part[quiet] for part in parts))


def _latest(flags: BoolArray) -> IntArray:
    """Index of the latest flag up to each one; -1 where there has been none."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))


def fit(log_elr: FloatArray, log_progress: FloatArray, burst: BoolArray) -> BurstHazard:
    """Fit the hazard to quiet steps by maximum likelihood (Poisson), with Newton's method.

    Args:
        log_elr: ``ln(elr)``, (n,).
        log_progress: ``ln(tau)``, (n,).
        burst: whether a burst begins, (n,).

    Raises:
        ValueError: if there are fewer than ``MIN_BURSTS`` bursts.
    """
    n_bursts = int(burst.sum())
    if n_bursts < MIN_BURSTS:
        raise ValueError(f"a hazard needs at least {MIN_BURSTS} bursts, there are {n_bursts}")
    centre = np.array([0.0, log_elr[burst].mean(), log_progress[burst].mean()])
    columns = np.column_stack([np.ones(len(burst)), log_elr, log_progress]) - centre
    best = np.array([np.log(n_bursts / len(burst)), 0.0, 0.0])
    for _ in range(NEWTON_STEPS):
        expected = np.exp(np.minimum(columns @ best, 0.0))
        curvature = columns.T @ (columns * expected[:, None])
        best = best + np.clip(np.linalg.solve(curvature, columns.T @ (burst - expected)), -1, 1)
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    level = float(best[0] - best[1:] @ centre[1:])
    a_error, b_error = float(errors[1]), float(errors[2])
    return BurstHazard(level, float(best[1]), -float(best[2]), (a_error, b_error), n_bursts)


def mean_log_onset(hazard: BurstHazard, log_landing: float, rate: float) -> float:
    """Mean ``ln(elr)`` at which a jump begins, from the hazard alone.

    Args:
        hazard: of a burst.
        log_landing: ``ln(elr)`` after the last jump.
        rate: r, by which decay raises ``ln(elr)`` a step.
    """
    start = log_landing + rate * QUIET_STEPS
    u = np.linspace(start, start + LONGEST_CLIMB, GRID)
    log_tau = log_landing + np.log(np.expm1(u - log_landing) / rate)
    log_hazard = hazard.log_scale + hazard.exponent * u - hazard.fading * log_tau
    per_u = np.exp(log_hazard) / rate
    summed = np.concatenate([[0.0], np.cumsum((per_u[1:] + per_u[:-1]) / 2 * np.diff(u))])
    return float(start + np.trapezoid(np.exp(-summed), u))
