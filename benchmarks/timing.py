"""Side-by-side timing: candidates take turns in one process, medians are compared."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping


def alternate(candidates: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each candidate over rounds in which all take turns, after a warm-up.

    In an order of its own each round: else what comes back in step with the rounds, as the turns
    of a busy machine do, would hit the same candidate every time.
    """
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = random.Random(0)
    for _ in range(rounds):
        for name, run in order.sample(list(candidates.items()), len(candidates)):
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def table(title: str, rows: list[tuple[str, str]]) -> str:
    """Lines of a two-column table under a title."""
    width = max(len(left) for left, _ in rows)
    return "\n".join([title, *(f"  {left:{width}}  {right}" for left, right in rows)])
