"""Ensembles side by side, one for each core: runs are independent, and so are their threads.

One ensemble whose kernels are split over cores waits at the end of every kernel for the slowest
core, and rounds by their number. Ensembles in threads of their own wait for each other once a
second or so, which costs little on an idle machine and keeps a busy one from slowing training many
times over.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from empirical.device.one_thread import one_thread
from empirical.training.checkpoint import check_like
from empirical.training.ensemble import Ensemble, Evaluation, Record
from theory import laws
from theory.arrays import FloatArray
from theory.trajectory import RunSpec
from theory.trajectory.series_file import SeriesFile

IntArray = npt.NDArray[np.intp]


class Fleet:
    """All runs of a study, dealt out to ensembles so that each has equal work.

    The numbers do not depend on how many ensembles there are.

    Args:
        runs: the runs, in the order in which results are returned.
        build: makes an ensemble of some of the runs.
        n_groups: number of ensembles, at most one for each run.
        path: file of the series; None for a temporary one.
        state: to continue from, of ``state()`` of the same runs in the same number of groups.

    Raises:
        ValueError: if the state is not of these runs, or the file not of the state.
        OSError: if the disk has no room for the file.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        build: Callable[[list[RunSpec]], Ensemble],
        *,
        n_groups: int,
        path: Path | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        longest_first = np.argsort([-run.n_steps for run in runs], kind="stable")
        self.runs = list(runs)
        self.groups = [longest_first[i::n_groups] for i in range(min(n_groups, len(runs)))]
        self.ensembles = [build([runs[i] for i in group]) for group in self.groups]
        self.series = SeriesFile(
            (*self.ensembles[0].recorded, "effective_lr"),
            len(runs),
            max(run.n_steps for run in runs),
            path=path,
            resume=state is not None,
        )
        if state is not None:
            self._restore(state)
        for group, ensemble in zip(self.groups, self.ensembles, strict=True):
            ensemble.store = functools.partial(self._store, ensemble, group)

    def _store(self, ensemble: Ensemble, group: IntArray, record: Record) -> None:
        """Write what an ensemble has recorded, and the effective learning rate with it."""
        rows = group[record.rows.numpy()]
        values = dict(zip(ensemble.recorded, record.values.numpy(), strict=True))
        nominal = np.array([self.runs[row].learning_rate for row in rows])
        rates = values.get("step_learning_rate", nominal)
        with np.errstate(all="ignore"):  # of a run that is about to end
            values["effective_lr"] = laws.effective_lr(values["weight_norm"], rates)
        self.series.write(rows, record.start, values)

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
        return sum(self._lengths)

    def advance(self, n_steps: int) -> None:
        """Train all ensembles for n_steps, or to the end of their runs."""
        waiting = [ensemble for ensemble in self.ensembles if not ensemble.done]

        def work(ensemble: Ensemble) -> None:
            stop = ensemble.step + n_steps
            while not ensemble.done and ensemble.step < stop:
                ensemble.advance(stop - ensemble.step)

        side_by_side(waiting, work)

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs beside the file of the series, which is on the disk."""
        return {
            "ensembles": [ensemble.state() for ensemble in self.ensembles],
            "series": self.series.state(self._lengths),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        check_like(state, self.state())
        for ensemble, saved in zip(self.ensembles, state["ensembles"], strict=True):
            ensemble.restore(saved)
        if state["series"]["lengths"] != self._lengths:
            raise ValueError(f"series of {state['series']['lengths']} steps, not {self._lengths}")
        self.series.restore(state["series"])

    @property
    def _lengths(self) -> list[int]:
        """Steps recorded so far of each run."""
        done = [torch.clamp(e.end, max=e.step).tolist() for e in self.ensembles]
        return [int(length) for length in self._gather(done)]

    @property
    def execution(self) -> str:
        """How steps were done on a GPU; "" on a CPU or before the first."""
        refused = [ensemble.refused for ensemble in self.ensembles if ensemble.refused]
        if refused:
            return f"without CUDA graphs: {refused[0]}"
        return "CUDA graphs" if any(ensemble.n_replayed for ensemble in self.ensembles) else ""

    @property
    def ends(self) -> list[int]:
        """Steps recorded of each run, once all have ended."""
        return [int(end) for end in self._gather([e.end.tolist() for e in self.ensembles])]

    @property
    def reasons(self) -> list[str]:
        """Why each run ended early; "" where it did not."""
        return [str(reason) for reason in self._gather([e.reasons for e in self.ensembles])]

    def finished_series(self) -> dict[str, FloatArray]:
        """Recorded quantities of every step, each (n_runs, n_steps), NaN after a run's end.

        They are read where they are used if they are large.
        """
        self.series.end(self.ends)  # also what a run did after it had stopped being finite
        return self.series.variables(max(self.ends))

    def evaluations(self, every: int) -> dict[str, FloatArray]:
        """Evaluated quantities, each (n_runs, n_evaluations, ...), NaN after a run's end.

        They are float64, or float16 where they were measured so.
        """
        lengths = [-(-end // every) for end in self.ends]
        columns: dict[str, FloatArray] = {}
        for group, evaluation in self._evaluations():
            index = evaluation.step // every
            for name, part in evaluation.values.items():
                shape = (len(self.runs), max(lengths), *part.shape[1:])
                kind = np.float16 if part.dtype == torch.float16 else np.float64
                column = columns.setdefault(name, np.full(shape, np.nan, dtype=kind))
                if index < max(lengths):
                    column[group[evaluation.rows.numpy()], index] = part.numpy()
        for column in columns.values():
            for row, end in enumerate(lengths):
                column[row, end:] = np.nan
        return columns

    def _evaluations(self) -> Iterator[tuple[IntArray, Evaluation]]:
        """Every evaluation with the runs of its ensemble."""
        for group, ensemble in zip(self.groups, self.ensembles, strict=True):
            for evaluation in ensemble.evaluations:
                yield group, evaluation

    def _gather(self, columns: Sequence[Sequence[object]]) -> list[Any]:
        """Put values of the ensembles' runs into the order of all runs."""
        values: list[Any] = [None] * len(self.runs)
        for group, column in zip(self.groups, columns, strict=True):
            for index, value in zip(group, column, strict=True):
                values[index] = value
        return values


def side_by_side(ensembles: Sequence[Ensemble], work: Callable[[Ensemble], None]) -> None:
    """Do some work on each ensemble, each in one thread of its own."""
    with one_thread():
        if len(ensembles) == 1:
            work(ensembles[0])
            return
        with ThreadPoolExecutor(len(ensembles), "ensemble", torch.set_num_threads, (1,)) as pool:
            list(pool.map(work, ensembles))
