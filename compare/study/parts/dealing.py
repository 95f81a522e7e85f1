"""Which runs form a part of a study: the same parts whoever trains them, and however many do."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from compare.study.design import Study
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

RUNS_OF_A_PART = 8  # networks that step together are cheaper; more of them wait longer for a worker

Jobs = tuple[tuple[Recipe, tuple[RunSpec, ...]], ...]


@dataclass(frozen=True)
class Part:
    """Runs of a study that are trained in one place.

    Attributes:
        name: of its files; of other runs, another one.
        jobs: the runs, by recipe.
    """

    name: str
    jobs: Jobs

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of its runs."""
        return tuple(run.id for _, runs in self.jobs for run in runs)

    @property
    def n_steps(self) -> int:
        """Steps of all its runs together."""
        return sum(run.n_steps for _, runs in self.jobs for run in runs)


def deal(study: Study, *, done: Collection[str] = ()) -> list[Part]:
    """The study's runs in parts, those of most work first.

    A part holds runs of one recipe and of similar length, at most ``group_size`` of them.

    Args:
        study: what to train.
        done: ids of runs that are left out.
    """
    most = study.group_size or RUNS_OF_A_PART
    parts = []
    for recipe, runs in study.jobs:
        longest_first = sorted(runs, key=lambda run: -run.n_steps)
        for start in range(0, len(runs), most):
            together = [run for run in longest_first[start : start + most] if run.id not in done]
            if together:
                parts.append(_part(((recipe, tuple(together)),)))
    return sorted(parts, key=lambda part: -part.n_steps)


def shard(study: Study, i: int, n: int) -> Part:
    """The i-th of n shares of equal work, ``i`` from 1.

    Raises:
        ValueError: if there are fewer runs than shares, or no such share.
    """
    n_runs = len(study.runs)
    if not 1 <= i <= n <= n_runs:
        raise ValueError(
            f"a shard must be i/n with 1 <= i <= n <= {n_runs}, the study's runs, got {i}/{n}"
        )
    order = sorted(study.runs, key=lambda run: -run.n_steps)
    own = {run.id for run in order[i - 1 :: n]}
    jobs = [(recipe, tuple(run for run in runs if run.id in own)) for recipe, runs in study.jobs]
    return _part(tuple((recipe, runs) for recipe, runs in jobs if runs))


def _part(jobs: Jobs) -> Part:
    runs = "\n".join(run.id for _, runs in jobs for run in runs)
    return Part(digest(runs)[:16], jobs)


def digest(text: str) -> str:
    """A name for a text, another one for another text."""
    return hashlib.sha256(text.encode()).hexdigest()
