"""What training costs as it grows: more networks, larger ones, longer runs, more that is recorded.

    python benchmarks/growth.py

Writes the points and the figure to ``results/reference/growth``. One core; a few minutes.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from matplotlib import pyplot as plt
from timing import alternate, table
from training import flops_per_step, large_product, trainer

from compare.report.figures.style import BASELINE, NETWORK, STYLE
from empirical.data import sources
from empirical.device import machine
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec
from theory.trajectory.series_file import SeriesFile

OUT = Path(__file__).parents[1] / "results" / "reference" / "growth"
IMAGES = sources.load("digits")
RUNS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WIDTHS = (14, 72, 286, 968, 3130)  # of two layers on 64 pixels: 1e3, 1e4, ... 1e7 weights
STEPS = (30, 100, 300, 1000, 3000, 10_000)
RECORDED = (10**5, 10**6, 10**7, 10**8)
QUANTITIES, ROWS, CHUNK = 5, 64, 500  # of what is recorded at once
ROUNDS = 5


def runs(n: int) -> list[RunSpec]:
    return [RunSpec(0.1, 1e-3, seed, 10**6) for seed in range(n)]


def seconds_a_step(recipe: Recipe, n_runs: int, n_steps: int) -> float:
    fleet = trainer(runs(n_runs), recipe, IMAGES)
    return alternate({"": lambda: fleet.advance(n_steps)}, rounds=ROUNDS)[""] / n_steps


def against_runs(speed: float) -> list[tuple[float, float, float]]:
    """(networks, seconds of a step of all, seconds of its matrix products at full speed)."""
    recipe = Recipe(model="mlp-64-64")
    least = flops_per_step(recipe, IMAGES) / speed
    return [(n, seconds_a_step(recipe, n, max(2, 256 // n)), n * least) for n in RUNS]


def against_weights(speed: float) -> list[tuple[float, float, float]]:
    """(weights, seconds of a step of one network, seconds of its products at full speed)."""
    points = []
    for width in WIDTHS:
        recipe = Recipe(model=f"mlp-{width}-{width}")
        least = flops_per_step(recipe, IMAGES) / speed
        n_steps = max(1, round(0.2 / (least + 1e-3)))
        points.append((64 * width + width**2, seconds_a_step(recipe, 1, n_steps), least))
    return points


def against_steps() -> list[tuple[float, float, float]]:
    """(steps of 4 networks, seconds of a step so far, the same from the first point on)."""
    recipe, points, spent, done = Recipe(model="mlp-64-64"), [], 0.0, 0
    fleet = trainer(runs(4), recipe, IMAGES)
    for n_steps in STEPS:
        start = time.perf_counter()
        fleet.advance(n_steps - done)
        spent, done = spent + time.perf_counter() - start, n_steps
        points.append((n_steps, spent / n_steps))
    return [(*point, points[0][1]) for point in points]


def against_records() -> list[tuple[float, float, float, float]]:
    """(recorded values, seconds of each, seconds of a copy of each in memory, bytes it adds)."""
    chunk = np.random.default_rng(0).random((QUANTITIES, CHUNK, ROWS))
    names, points, process = [str(i) for i in range(QUANTITIES)], [], psutil.Process()
    held = np.empty_like(chunk)
    copy = alternate({"": lambda: np.copyto(held, chunk)}, rounds=100)[""] / chunk.size
    for n_values in RECORDED:
        n_steps = n_values // QUANTITIES // ROWS
        before, start = process.memory_info().rss, time.perf_counter()
        file = SeriesFile(names, ROWS, n_steps)
        most = before
        for at in range(0, n_steps, CHUNK):
            part = chunk[:, : n_steps - at]
            file.write(np.arange(ROWS), at, dict(zip(names, part, strict=True)))
            most = max(most, process.memory_info().rss)
        points.append((n_values, (time.perf_counter() - start) / n_values, copy, most - before))
        file.remove()
    return points


PANELS = {
    "runs": ("networks", "matrix products at full speed"),
    "weights": ("weights of one network", "matrix products at full speed"),
    "steps": ("steps of 4 networks", "as in the first 30 steps"),
    "records": ("recorded values", "a copy in memory"),
}


def draw(curves: dict[str, list[tuple[float, ...]]], path: Path) -> None:
    """Measured points and the limit, both axes logarithmic."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(7, 5.2), layout="constrained")
        for axis, (name, (what, limit)) in zip(axes.flat, PANELS.items(), strict=True):
            x, seconds, least, *_ = zip(*curves[name], strict=True)
            axis.loglog(x, seconds, "o-", color=NETWORK, ms=4, lw=1, label="measured")
            axis.loglog(x, least, "--", color=BASELINE, lw=1.2, label=limit)
            axis.set_xlabel(what)
            axis.set_ylabel("seconds a value" if name == "records" else "seconds a step")
            low, high = min(*seconds, *least), max(*seconds, *least)
            axis.set_ylim(low / 3, high * 8)
            axis.legend(loc="upper left")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def show(curves: dict[str, list[tuple[float, ...]]]) -> str:
    """The points as tables."""
    parts = []
    for name, (what, limit) in PANELS.items():
        rows = [
            (f"{x:.3g} {what}", f"{seconds:.3g} s, {seconds / least:.3g} times {limit}")
            for x, seconds, least, *_ in curves[name]
        ]
        parts.append(table(f"cost against {what}", rows))
    return "\n\n".join(parts)


def main() -> None:
    torch.set_num_threads(1)
    speed = large_product("float32")
    curves = {
        "runs": against_runs(speed),
        "weights": against_weights(speed),
        "steps": against_steps(),
        "records": against_records(),
    }
    print(show(curves))
    OUT.mkdir(parents=True, exist_ok=True)
    about = {
        "device": machine.describe(torch.device("cpu")),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "product_flops": speed,
    }
    rounded = {
        name: [[float(f"{value:.4g}") for value in point] for point in points]
        for name, points in curves.items()
    }
    text = json.dumps(about | rounded, indent=1)
    (OUT / "growth.json").write_text(text + "\n", encoding="utf-8")
    draw(curves, OUT / "growth.svg")


if __name__ == "__main__":
    main()
