"""The complete cycles of measured runs, as the kick model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.arrays import BoolArray, FloatArray
from theory.cycle_models.kick_model import time_share
from theory.laws import decay_rate
from theory.trajectory import RecordedRun, Runs
from theory.trajectory.jumps import Jumps
from theory.trajectory.regimes import classify, growing_share

SAME_SETTING = 1e-6  # relative difference of eta*lam within which settings are one
LOW_LOSS = 0.1  # quantile
SMALLEST_SHARE, LARGEST_SHARE = 1e-6, 0.49  # of the time, during which the norm grows


@dataclass(frozen=True)
class RunCycles:
    """Cycles of one run; arrays have one entry a complete cycle.

    Attributes:
        lengths: steps from onset to onset.
        onsets: ``ln(elr)`` at the first onset of each cycle.
        landings: ``ln(elr)`` at the lowest point after it.
        all_landings: the same after every jump that the run got over, (n_cycles or one more,).
        kicks: growth of ``ln(rho^2)`` over the cycle.
        next_onsets: ``ln(elr)`` at the onset that ends it.
        first_step: step of the first onset of the run.
        first_onset: ``ln(elr)`` there.
        first_kick: growth of ``ln(rho^2)`` until there.
        growth: ``ln y`` of the run's growing share, of which noise can make more than 1/2.
        growing_after: share of the time since the first onset during which the norm grows; before
            it, a long climb hides what follows.
        unfinished: steps from the last onset to the end of the run.
        loss_floor: ln of the loss that a tenth of the steps after the first jump stay below.
        regime: of the run.
    """

    lengths: FloatArray
    onsets: FloatArray
    landings: FloatArray
    all_landings: FloatArray
    kicks: FloatArray
    next_onsets: FloatArray
    first_step: float
    first_onset: float
    first_kick: float
    growth: float
    growing_after: float
    unfinished: float
    loss_floor: float
    regime: str


@dataclass(frozen=True)
class SettingCycles:
    """Runs of one intrinsic learning rate.

    Attributes:
        intrinsic_lr: eta lam; with momentum, the share of the norm that decay takes in a step.
        runs: those that jump at least once.
        never: for each run on its way to a first jump, ``ln(elr)`` that decay alone would have
            reached.
        at_rest: ``ln(elr)`` over the last half of each run that does not jump because its norm
            has come to rest.
    """

    intrinsic_lr: float
    runs: tuple[RunCycles, ...]
    never: tuple[float, ...] = ()
    at_rest: tuple[float, ...] = ()

    @property
    def n_resting(self) -> int:
        """Runs that do not jump because their norm has come to rest."""
        return len(self.at_rest)

    @property
    def rate(self) -> float:
        """Rise of ``ln(elr)`` by decay in a step."""
        return decay_rate(self.intrinsic_lr)

    @property
    def n_cycles(self) -> int:
        """Complete cycles of all runs."""
        return sum(len(run.lengths) for run in self.runs)

    @property
    def periodic(self) -> bool:
        """Whether most of the runs are."""
        return 2 * sum(run.regime == "periodic" for run in self.runs) > len(self.runs)

    def all(self, name: str) -> FloatArray:
        """A quantity of all cycles or all runs, one after another."""
        return np.concatenate([np.atleast_1d(getattr(run, name)) for run in self.runs])


def collect(runs: Runs) -> list[SettingCycles]:
    """Cycles of all runs that stayed finite, by rising ``eta lam``."""
    values = np.array([run.decay for run in runs.values()])
    finite = np.array([run.finite for run in runs.values()])
    everyone = list(runs.values())
    return [
        _of_setting([everyone[i] for i in np.flatnonzero(same & finite)], value)
        for value, same in same_settings(values)
    ]


def same_settings(intrinsic_lr: FloatArray) -> list[tuple[float, BoolArray]]:
    """Values of ``eta lam`` that differ, rising, and which runs have each, (n_runs,).

    Values within ``SAME_SETTING`` of each other are one: ``0.1 * 0.003`` is not ``0.3 * 0.001``.
    """
    found: list[tuple[float, BoolArray]] = []
    for value in np.unique(intrinsic_lr):
        if not found or value > found[-1][0] * (1 + SAME_SETTING):
            found.append((float(value), np.isclose(intrinsic_lr, value, rtol=SAME_SETTING, atol=0)))
    return found


def _of_setting(runs: list[RecordedRun], intrinsic_lr: float) -> SettingCycles:
    """Cycles of the runs of a setting, and how far those came that have none."""
    still = [run for run in runs if len(run.log_elr) > 2 and not len(run.jumps.onsets)]
    regimes = [classify(run.log_elr, run.jumps, run.rise_by_decay, finite=True) for run in still]
    paths = [(run.log_elr, one == "equilibrium") for run, one in zip(still, regimes, strict=True)]
    rate = decay_rate(intrinsic_lr)
    return SettingCycles(
        intrinsic_lr,
        runs=tuple(_of_run(run, intrinsic_lr) for run in runs if len(run.jumps.onsets)),
        never=tuple(float(one[0] + rate * (len(one) - 1)) for one, rests in paths if not rests),
        at_rest=tuple(float(one[len(one) // 2 :].mean()) for one, rests in paths if rests),
    )


def _of_run(run: RecordedRun, intrinsic_lr: float) -> RunCycles:
    """Cycles of one run."""
    log_elr, jumps, rate = run.log_elr, run.jumps, decay_rate(intrinsic_lr)
    at_onset, gaps = log_elr[jumps.onsets], np.diff(jumps.onsets).astype(float)
    share = growing_share(jumps)
    first = jumps.onsets[0]
    return RunCycles(
        lengths=gaps,
        onsets=at_onset[:-1],
        landings=log_elr[jumps.landings[: len(gaps)]],
        all_landings=log_elr[jumps.landings],
        kicks=rate * gaps - np.diff(at_onset),
        next_onsets=at_onset[1:],
        first_step=float(first),
        first_onset=float(at_onset[0]),
        first_kick=float(rate * first - (at_onset[0] - log_elr[0])),
        unfinished=float(jumps.end - jumps.onsets[-1]),
        loss_floor=_floor(run.train_loss[jumps.onsets[0] :]),
        growth=log_share(share),
        growing_after=_growing_after(jumps),
        regime=classify(log_elr, jumps, run.rise_by_decay, finite=True),
    )


def _growing_after(jumps: Jumps) -> float:
    """Share of the time from the first onset to the end during which the norm grows."""
    landings = np.append(jumps.landings, jumps.end)[: len(jumps.onsets)]
    growing = (landings - jumps.onsets).sum()
    return float(growing / max(jumps.end - jumps.onsets[0], 1))


def log_share(growing: float) -> float:
    """``ln y`` of a share of the time during which the norm grows; noise can make it above 1/2."""
    return float(np.log(time_share(np.clip(growing, SMALLEST_SHARE, LARGEST_SHARE))))


def _floor(train_loss: FloatArray) -> float:
    """Logarithm of the loss that a tenth of the values are below; NaN where none is known."""
    known = train_loss[train_loss > 0]
    return float(np.log(np.quantile(known, LOW_LOSS))) if len(known) else float("nan")
