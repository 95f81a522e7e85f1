"""Trajectories of training, simulated or measured, and what is read out of them.

runs           a run as the numbers that distinguish it
schema         trajectories of many runs as one Dataset
series_file    their series on disk while they are recorded
layout         what such a Dataset must look like to be read
recorded_run   what one run recorded, read once
jumps          drops of the effective learning rate
regimes        convergence, periodic, equilibrium, divergence
"""

from theory.trajectory.layout import require
from theory.trajectory.recorded_run import (
    RecordedRun,
    Runs,
    read_runs,
    record_every,
    recorded,
    recorded_with,
)
from theory.trajectory.runs import RunSpec, setting_id, setting_of
from theory.trajectory.schema import build, join

__all__ = [
    "RecordedRun",
    "RunSpec",
    "Runs",
    "build",
    "join",
    "read_runs",
    "record_every",
    "recorded",
    "recorded_with",
    "require",
    "setting_id",
    "setting_of",
]
