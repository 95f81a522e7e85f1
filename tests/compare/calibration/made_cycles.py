"""Cycles made of numbers, as if runs had been seen."""

from dataclasses import replace

import numpy as np

from compare.calibration.observed_cycles import RunCycles


def run_cycles(lengths, **changes):
    """A run of such periods."""
    n = len(lengths)
    run = RunCycles(
        lengths=np.array(lengths, dtype=float),
        onsets=np.full(n, -2.8),
        landings=np.full(n, -3.8),
        all_landings=np.full(n + 1, -3.8),
        kicks=np.ones(n),
        next_onsets=np.linspace(-2.9, -2.7, n),
        first_step=400.0,
        first_onset=-3.0,
        first_kick=0.5,
        growth=-5.0,
        growing_after=0.05,
        unfinished=10.0,
        loss_floor=-6.0,
        regime="periodic",
    )
    return replace(run, **changes)
