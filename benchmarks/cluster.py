"""A study on local workers: wall time on 1 and 2, and what the engine costs for each part.

    python benchmarks/cluster.py [--runs 64] [--steps 60] [--rounds 3]

Workers are processes of one thread each. The same study takes turns on 1 and 2 of them; medians
count. The engine's overhead is that of a study whose parts do next to nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path

from timing import alternate, table

from compare.study.design import Setting, Study
from compare.study.parts import dask_workers, dealing, schedule, train_part
from compare.study.parts.part_files import PartFiles, joined
from empirical.training.recipe import Recipe

EMPTY_TASKS = 12_500  # parts of 10^5 runs


def convnets(n_runs: int, n_steps: int, n_settings: int = 4) -> Study:
    """ConvNets of width 8 on the digits."""
    recipe = Recipe(model="convnet-8", data="digits")
    settings = tuple(
        Setting(0.1 * 2.0**i, 1e-2, recipe=recipe, steps=n_steps) for i in range(n_settings)
    )
    seeds = n_runs // n_settings
    return Study("cluster", "Cluster", settings, seeds=seeds, eval_every=n_steps, device="cpu")


def small_parts(n_parts: int) -> Study:
    """Parts of one small run of a few steps."""
    recipe = Recipe(model="mlp-8", train_per_class=20, test_per_class=5, batch_size=50)
    setting = Setting(0.1, 1e-2, recipe=recipe, steps=2)
    return Study("parts", "Parts", (setting,), seeds=n_parts, group_size=1, device="cpu")


def train(study: Study, executor: object) -> PartFiles:
    """Train all parts of a study into a new folder."""
    out = Path(tempfile.mkdtemp(prefix="sawtooth-cluster-"))
    files = PartFiles.of(study, out)
    files.make(study)
    schedule.train_parts(study, files, executor)
    return files


def growth(executor: object, counts: tuple[int, ...]) -> list[tuple[str, str]]:
    """Seconds a part that does next to nothing, by the number of parts."""
    rows = []
    for n_parts in counts:
        study = small_parts(n_parts)
        start = time.perf_counter()
        files = train(study, executor)
        trained = time.perf_counter()
        joined(study, files.paths())
        done = time.perf_counter()
        seconds = (1e3 * (trained - start) / n_parts, 1e3 * (done - trained) / n_parts)
        rows.append((f"{n_parts} parts", "{:.0f} ms a part, joined in {:.1f} ms".format(*seconds)))
    return rows


def alone(n_parts: int) -> float:
    """Seconds a part of the same work takes in this process, without an engine or files."""
    study = small_parts(n_parts)
    parts, settings = dealing.deal(study), train_part.settings_of(study)
    for part in parts[:2]:
        train_part.train_runs(part, settings, None, cores=1)
    start = time.perf_counter()
    for part in parts:
        train_part.train_runs(part, settings, None, cores=1)
    return (time.perf_counter() - start) / n_parts


def nothing(payload: bytes) -> None:
    """What a task costs that has nothing to do."""


def scheduling(executor: Executor, n_tasks: int) -> float:
    """Seconds for so many tasks of a part's size, 1.5 kB, that do nothing."""
    start = time.perf_counter()
    for future in [executor.submit(nothing, bytes(1500)) for _ in range(n_tasks)]:
        future.result()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    study = convnets(options.runs, options.steps)
    with dask_workers.connected("1") as one, dask_workers.connected("2") as two:
        for workers in (one, two, two):
            train(small_parts(2), workers)  # imports torch
        seconds = alternate(
            {"one": lambda: train(study, one), "two": lambda: train(study, two)},
            rounds=options.rounds,
        )
        rows = [
            ("1 worker", f"{seconds['one']:.1f} s"),
            ("2 workers", f"{seconds['two']:.1f} s"),
            ("1 worker / 2 workers", f"{seconds['one'] / seconds['two']:.2f}"),
        ]
        n_parts = len(dealing.deal(study))
        title = f"{options.runs} ConvNets of width 8, {options.steps} steps, {n_parts} parts"
        print(table(title, rows))
        counts = (16, 64, 256)
        print(table("engine, parts of one run of 2 steps, on 2 workers", growth(two, counts)))
        empty = f"{scheduling(two, EMPTY_TASKS):.0f} s"
        print(table("the scheduler alone, on 2 workers", [(f"{EMPTY_TASKS} empty tasks", empty)]))
    print(table("the same without engine and files", [("a part", f"{1e3 * alone(16):.0f} ms")]))


if __name__ == "__main__":
    sys.exit(main())
