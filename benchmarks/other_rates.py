"""The first jump at other learning rates and the same decay, and what is said of it.

    python benchmarks/other_rates.py    # ten minutes on one core

For each network and decay: ln of the effective learning rate that decay alone would have reached
at the first jump (``reach``), at four rates, six seeds each; and that which is said from the
runs at the rate of 0.5 alone (``compare.calibration.beginning``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compare.calibration.beginning import Beginning
from compare.calibration.observed_cycles import collect
from empirical.training import train
from empirical.training.recipe import Recipe
from theory.laws import decay_rate
from theory.trajectory import RunSpec, read_runs

NETWORKS = (
    ("mlp-32-32", "scale-invariant"),
    ("mlp-64-64", "scale-invariant"),
    ("mlp-48-48-48", "scale-invariant"),
    ("mlp-48-48", "all"),
)
DECAYS = (1e-2, 2e-3, 5e-4, 1e-4)
OWN, OTHERS = 0.5, (2.0, 0.125, 0.03)
SEEDS = range(7000, 7006)
REACH = -0.5  # of ln(elr), until which runs last at least, and two periods more


@dataclass(frozen=True)
class First:
    """First jumps at one rate: ``ln(elr)`` at the start, where they come, and at their onset."""

    start: float
    reach: float
    onset: float


def first_jumps(model: str, trained: str, decay: float) -> dict[float, First]:
    """First jumps at all rates, in the mean over seeds; none where a run did not jump."""
    specs = [
        RunSpec(lr, decay / lr, seed, n_steps(lr, decay), 0.0)
        for lr in (OWN, *OTHERS)
        for seed in SEEDS
    ]
    job = train.Job(Recipe(model=model, trained=trained), tuple(specs))
    runs = read_runs(train.train([job], train.Settings(eval_every=10**6)))
    found = {}
    for lr in (OWN, *OTHERS):
        some = {name: run for name, run in runs.items() if run.learning_rate == lr}
        (cycles,) = collect(some)
        if len(cycles.runs) == len(SEEDS):
            onsets = cycles.all("first_onset")
            reach = float((onsets + cycles.all("first_kick")).mean())
            start = float(np.mean([run.log_elr[0] for run in some.values()]))
            found[lr] = First(start, reach, float(onsets.mean()))
    return found


def n_steps(rate: float, decay: float) -> int:
    """Long enough for the climb from a usual start, norms being about 4."""
    return int((max(REACH - np.log(rate / 17), 3) + 3) / decay_rate(decay))


def main() -> None:
    print("network, weights trained | decay | rate | reach | said | reach at 0.5")
    misses = []
    for model, trained in NETWORKS:
        for decay in DECAYS:
            found = first_jumps(model, trained, decay)
            if OWN not in found:
                print(f"{model}, {trained} | {decay:g} | {OWN:g} | runs without a jump")
                continue
            own = found[OWN]
            beginning = Beginning(own.start, own.reach - own.onset)
            for lr in OTHERS:
                if lr not in found:
                    print(f"{model}, {trained} | {decay:g} | {lr:g} | runs without a jump")
                    continue
                # decay alone takes as long from the apparent start to the reach at the own rate
                said = own.reach - beginning.at(lr / OWN) + found[lr].start
                misses.append((lr < OWN, said - found[lr].reach, own.reach - found[lr].reach))
                row = f"{lr:g} | {found[lr].reach:.2f} | {said:.2f} | {own.reach:.2f}"
                print(f"{model}, {trained} | {decay:g} | {row}", flush=True)
    for lower, name in ((True, "lower"), (False, "higher")):
        off, same = (np.array([row[k] for row in misses if row[0] is lower]) for k in (1, 2))
        print(
            f"{len(off)} at a {name} rate: median miss {np.median(abs(off)):.2f} of ln(elr), "
            f"mean {off.mean():+.2f}; by the own reach {np.median(abs(same)):.2f}, "
            f"{same.mean():+.2f}"
        )


if __name__ == "__main__":
    main()
