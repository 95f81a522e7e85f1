"""Memory and time of records alone: a step that makes up its numbers, everything after it real.

    python benchmarks/long_records.py 200 1000000     # networks, steps: 10^9 values, 12 GB of disk

What is trained by it writes the same files, with checkpoints, as ``sawtooth train``.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from timing import table

from empirical.training import train
from empirical.training.ensemble import Ensemble
from empirical.training.recipe import Recipe
from theory import files
from theory.trajectory import RunSpec


def made_up(ensemble: Ensemble, stop: int) -> None:
    """In place of training: numbers as a step records them, without evaluations."""
    values = ensemble.one._values[: stop - ensemble.step]
    values.copy_(1 + torch.rand(values.shape, dtype=torch.float32))
    ensemble.step = stop


def main(n_runs: int, n_steps: int) -> None:
    Ensemble._train_until = made_up
    runs = tuple(RunSpec(0.5, 1e-3, seed, n_steps) for seed in range(n_runs))
    job = train.Job(Recipe(model="mlp-8", batch_size=8), runs)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        out = Path(folder) / "made-up.nc"
        settings = train.Settings(device="cpu", cores=1, checkpoint=out.with_suffix(".checkpoint"))
        start = time.perf_counter()
        made = train.train([job], settings)
        recorded = time.perf_counter()
        files.write_dataset(out, made)
        done, size = time.perf_counter(), out.stat().st_size
    n_values = sum(v.size for v in made.data_vars.values() if "step" in v.dims)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = [
        ("recorded values", f"{n_values:.3g}, {8 * n_values / 1e9:.3g} GB"),
        ("recorded in", f"{recorded - start:.0f} s"),
        ("written in", f"{done - recorded:.0f} s, {size / 1e9:.3g} GB"),
        ("memory at the peak", f"{peak / 1e9:.3g} GB"),
    ]
    print(table(f"{n_runs} networks, {n_steps} steps", rows))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
