"""Ensembles side by side, one for each core: runs are independent, so are their threads.

One ensemble whose kernels are split over cores waits at the end of every kernel for the slowest
core. Ensembles in threads of their own never wait for each other, which costs nothing on an idle
machine and keeps a busy one from slowing training many times over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from empirical.ensemble import EVALUATED, RECORDED, Ensemble, Record
from theory.laws import FloatArray
from theory.trajectory import RunSpec


class Fleet:
    """All runs of a study, dealt out to ensembles so that each has equal work.

    The numbers do not depend on how many ensembles there are.

    Args:
        runs: the runs, in the order in which results are returned.
        build: makes an ensemble of some of the runs.
        n_groups: number of ensembles, at most one for each run.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        build: Callable[[list[RunSpec]], Ensemble],
        *,
        n_groups: int,
    ) -> None:
        longest_first = np.argsort([-run.n_steps for run in runs], kind="stable")
        self.runs = list(runs)
        self.groups = [longest_first[i::n_groups] for i in range(min(n_groups, len(runs)))]
        self.ensembles = [build([runs[i] for i in group]) for group in self.groups]

    @property
    def done(self) -> bool:
        """Whether every run has ended."""
        return all(ensemble.done for ensemble in self.ensembles)

    @property
    def step(self) -> int:
        """Steps done by the runs that are furthest."""
        return max(ensemble.step for ensemble in self.ensembles)

    @property
    def n_active(self) -> int:
        """Number of runs that have not ended."""
        return sum(len(ensemble.rows) for ensemble in self.ensembles)

    @property
    def n_recorded(self) -> int:
        """Steps recorded so far, over all runs."""
        return sum(
            int(torch.clamp(ensemble.end, max=ensemble.step).sum()) for ensemble in self.ensembles
        )

    def advance(self, n_steps: int) -> None:
        """Train all active runs for n_steps, or to their end."""
        active = [ensemble for ensemble in self.ensembles if not ensemble.done]
        threads = torch.get_num_threads()
        torch.set_num_threads(max(1, threads // len(active)))
        try:
            with ThreadPoolExecutor(len(active)) as pool:
                list(pool.map(lambda ensemble: _advance(ensemble, n_steps), active))
        finally:
            torch.set_num_threads(threads)

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {"ensembles": [ensemble.state() for ensemble in self.ensembles]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a ``state()`` of the same runs in the same number of groups."""
        for ensemble, saved in zip(self.ensembles, state["ensembles"], strict=True):
            ensemble.restore(saved)

    @property
    def ends(self) -> list[int]:
        """Steps recorded of each run, once all have ended."""
        return [int(end) for end in self._gather([e.end.tolist() for e in self.ensembles])]

    @property
    def reasons(self) -> list[str]:
        """Why each run ended early; "" where it did not."""
        return [str(reason) for reason in self._gather([e.reasons for e in self.ensembles])]

    def series(self) -> dict[str, FloatArray]:
        """Recorded quantities of every step, each (n_runs, n_steps), NaN after a run's end."""
        return self._scatter(RECORDED, [e.records for e in self.ensembles], stride=1)

    def evaluations(self, every: int) -> dict[str, FloatArray]:
        """Evaluated quantities, each (n_runs, n_evaluations)."""
        return self._scatter(EVALUATED, [e.evaluations for e in self.ensembles], stride=every)

    def _gather(self, columns: Sequence[Sequence[object]]) -> list[Any]:
        """Put values of the ensembles' runs into the order of all runs."""
        values: list[Any] = [None] * len(self.runs)
        for group, column in zip(self.groups, columns, strict=True):
            for index, value in zip(group, column, strict=True):
                values[index] = value
        return values

    def _scatter(
        self, names: Sequence[str], records: list[list[Record]], *, stride: int
    ) -> dict[str, FloatArray]:
        """Lay records of every stride-th step out as one (n_runs, length) array per quantity."""
        lengths = [-(-end // stride) for end in self.ends]
        length = max(lengths)
        values = np.full((len(names), len(self.runs), length), np.nan)
        for group, own in zip(self.groups, records, strict=True):
            for record in own:
                first = record.start // stride
                block = record.values.permute(0, 2, 1).numpy()[..., : max(length - first, 0)]
                values[:, group[record.rows.numpy()], first : first + block.shape[2]] = block
        for row, end in enumerate(lengths):
            values[:, row, end:] = np.nan  # what a run did after it had stopped being finite
        return dict(zip(names, values, strict=True))


def _advance(ensemble: Ensemble, n_steps: int) -> None:
    """Advance by n_steps in all, across the ends of runs."""
    stop = ensemble.step + n_steps
    while not ensemble.done and ensemble.step < stop:
        ensemble.advance(stop - ensemble.step)
