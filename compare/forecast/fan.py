"""Where the effective learning rate and the norm of a planned run may be, step by step.

Between the jumps drawn by ``compare.predict.outlook`` a path has the shape of the kick model's
mean cycle: decay raises ``ln(elr)`` by r a step, a kick takes off what brings it to the next onset.
A kick from a higher onset is larger, so that onsets stay near their mean.
"""

from dataclasses import dataclass

import numpy as np

from compare.calibration.kick_fit import KICK_SCATTER, SENSITIVITY
from compare.predict.outlook import Network
from theory.arrays import FloatArray, IntArray
from theory.cycle_models.kick_model import LARGEST_DROP
from theory.trajectory.jumps import JUMP_LOG_ELR

LONGEST_KICK = 0.02  # of a cycle: half of a kick is delivered by then
FIRST_KICK_STEPS = 5.0
SEED = 1


@dataclass(frozen=True)
class _Cycles:
    """Cycles of each path; (n_draws, n_cycles). The first begins at initialisation.

    Attributes:
        start: step at which a cycle begins.
        onset: ``ln(elr)`` there.
        length: steps.
        kick: what is taken off in the cycle.
        kick_time: steps in which about half of it is.
    """

    start: FloatArray
    onset: FloatArray
    length: FloatArray
    kick: FloatArray
    kick_time: FloatArray


def paths(network: Network, times: FloatArray, start: float, steps: IntArray) -> FloatArray:
    """``ln(elr)`` of one path of each network at some steps, (n_draws, n_steps).

    After the last jump that was drawn of a path that goes on, its cycles come again.

    Args:
        network: networks as they may be.
        times: steps of the jumps, rising, infinite beyond the end; (n_draws, n_jumps).
        start: ``ln(elr)`` at initialisation.
        steps: where to look, (n_steps,).
    """
    cycles = _cycles(network, times, start)
    found = np.empty((len(times), len(steps)))
    for i, row in enumerate(times):
        at = _repeated(row, steps)
        which = np.searchsorted(row, at, side="right")
        since = at - cycles.start[i, which]
        time, length = cycles.kick_time[i, which], cycles.length[i, which]
        taken = cycles.kick[i, which] * (1 + time / length) * since / (since + time)
        found[i] = cycles.onset[i, which] + network.rate * since - taken
    return found


def coming_to_rest(levels: FloatArray, decay: float, start: float, steps: IntArray) -> FloatArray:
    """``ln(elr)`` of runs whose norm comes to rest, at some steps, (n_runs, n_steps).

    With gradients of one size ``rho^4``, and with it ``elr^-2``, goes to its equilibrium as
    ``exp(-4 eta lam t)`` (docs/theory.md, section 2).

    Args:
        levels: ``ln(elr)`` at rest, (n_runs,).
        decay: share of the norm that decay takes in a step.
        start: ``ln(elr)`` at initialisation.
        steps: where to look, (n_steps,).
    """
    fading = np.exp(-4 * decay * steps)
    end = np.exp(-2 * levels)[:, None]
    return np.asarray(-np.log(end + (np.exp(-2 * start) - end) * fading) / 2)


def _repeated(jumps: FloatArray, steps: IntArray) -> FloatArray:
    """Steps, those after the last jump put back into the cycles before it."""
    if not np.isfinite(jumps[-1]):
        return steps.astype(float)
    first, last = jumps[0], jumps[-1]
    return np.where(steps < last, steps, first + (steps - first) % (last - first))


def _cycles(network: Network, times: FloatArray, start: float) -> _Cycles:
    """Lengths of the cycles from the jumps, their kicks from the onsets."""
    rng = np.random.default_rng(SEED)
    n_draws = len(times)
    unended = ~np.isfinite(times)
    lengths = np.diff(np.where(unended, 0.0, times), axis=1, prepend=0.0)
    usual = np.repeat(network.period[:, None], lengths.shape[1], axis=1)
    usual[:, 0] = np.maximum(network.first, 1.0)
    # a path goes on beyond the end as if its next jump came when it usually does
    lengths = np.where(unended, usual, np.maximum(lengths, 1.0))
    lengths = np.hstack([lengths, network.period[:, None]])
    begins = np.hstack([np.zeros((n_draws, 1)), np.where(np.isfinite(times), times, 0.0)])
    mean, drop = network.rate * network.period, network.onset - network.landing
    onset = np.full(n_draws, start)
    onsets, kicks, kick_times = [], [], []
    for k in range(lengths.shape[1]):
        if k == 0:  # the transient: whatever leads to the first onset
            following = network.onset + KICK_SCATTER * rng.standard_normal(n_draws)
            kick = start + network.rate * lengths[:, 0] - following
            time = np.minimum(LONGEST_KICK / 4 * lengths[:, 0], FIRST_KICK_STEPS)
        else:
            excess = onset - network.onset
            kick = mean + SENSITIVITY * excess + KICK_SCATTER * rng.standard_normal(n_draws)
            kick = np.maximum(kick, 2 * JUMP_LOG_ELR)
            fall = np.clip(drop + excess, JUMP_LOG_ELR, LARGEST_DROP * kick)
            time = (kick - fall) ** 2 / (4 * fall * network.rate)
            time = np.clip(time, 0.5, np.maximum(LONGEST_KICK * lengths[:, k], 0.5))
        onsets.append(onset)
        kicks.append(kick)
        kick_times.append(time)
        onset = onset + network.rate * lengths[:, k] - kick
    columns = (np.stack(one, axis=1) for one in (onsets, kicks, kick_times))
    onset_table, kick_table, time_table = columns
    return _Cycles(begins, onset_table, lengths, kick_table, time_table)
