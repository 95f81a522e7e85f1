"""Jumps of a trajectory: one definition for simulated and measured ones."""

from dataclasses import dataclass

import numpy as np

from theory.arrays import FloatArray, IntArray

JUMP_LOG_ELR = 0.1  # a jump is a drop of ln(elr) by this, a growth of the norm by 5 %


@dataclass(frozen=True)
class Jumps:
    """Turning points of ``ln(elr)``.

    Attributes:
        onsets: steps at which elr is highest, just before the norm jumps, (n_jumps,).
        landings: steps at which elr is lowest after each jump, (n_jumps,); one fewer where the
            run ends before elr has risen again.
        start: step at which the rise before the first onset began.
        end: last step of the run.
    """

    onsets: IntArray
    landings: IntArray
    start: int
    end: int


def find_jumps(log_elr: FloatArray, *, min_drop: float = JUMP_LOG_ELR) -> Jumps:
    """Find the drops of ``ln(elr)`` that follow a rise, both by at least ``min_drop``.

    By default a jump is a growth of the norm by at least 5 %, after a decay by as much.

    A drop at the very start of a run, before any rise, is the transient of initialisation and
    no jump.

    Args:
        log_elr: ``ln(effective_lr)`` of consecutive steps, (n_steps,).
        min_drop: smallest rise and drop that count.
    """
    slope_sign = np.sign(np.diff(log_elr))
    turns = np.flatnonzero(slope_sign[1:] != slope_sign[:-1]) + 1
    onsets: list[int] = []
    landings: list[int] = []
    rising, low, high = False, 0, 0
    start = 0
    for i in [0, *turns.tolist(), len(log_elr) - 1]:
        if rising:
            if log_elr[i] > log_elr[high]:
                high = i
            elif log_elr[high] - log_elr[i] >= min_drop:
                onsets.append(high)
                rising, low = False, i
        elif log_elr[i] < log_elr[low]:
            low = i
        elif log_elr[i] - log_elr[low] >= min_drop:
            if onsets:
                landings.append(low)
            else:
                start = low
            rising, high = True, i
    return Jumps(
        np.array(onsets, dtype=np.int64),
        np.array(landings, dtype=np.int64),
        start,
        len(log_elr) - 1,
    )
