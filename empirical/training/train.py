"""Train all runs of a study together, with progress, checkpoints and clean interruption."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from empirical.data import sources
from empirical.data.images import ImageData
from empirical.networks import by_name
from empirical.training import checkpoint, memory
from empirical.training.ensemble import Ensemble
from empirical.training.parallel_ensembles import Fleet, side_by_side
from empirical.training.recipe import Recipe
from theory import trajectory
from theory.trajectory import RunSpec
from theory.vocabulary.attributes import describe

LOOK_SECONDS = 1.0  # between looks at the keyboard and the checkpoint
LONGEST_CHUNK = 500
# One step of R runs costs about R + 1.5 times what each further run adds, measured on 2 cores.
OVERHEAD_IN_RUNS = 1.5


class Interrupted(Exception):  # noqa: N818 - the state of a run, not an error
    """Training stopped on request; what was done is in the checkpoint."""


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device.

    Raises:
        ValueError: if the name is unknown, or CUDA is asked for and absent.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for, but no CUDA device is available")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@dataclass(frozen=True)
class Job:
    """Runs that are trained as one.

    Attributes:
        recipe: what they have in common.
        runs: rate, decay, momentum, seed and length of each; all with momentum or none.
    """

    recipe: Recipe
    runs: tuple[RunSpec, ...]


@dataclass(frozen=True)
class Settings:
    """How to train, with no influence on the numbers but for ``device`` and ``eval_every``.

    Attributes:
        eval_every: steps between evaluations.
        device: ``auto``, ``cpu`` or ``cuda``.
        group_size: most runs in an ensemble; 0 for as many as fit in the memory of a GPU, or
            for no limit on a CPU. Fewer need less memory.
        graphs: on a GPU, replay steps as CUDA graphs where the model allows it.
        checkpoint: checkpoint file; training resumes from it if it exists.
        checkpoint_seconds: time between checkpoints; the last one holds the finished runs.
        config: identifies the study, so that a checkpoint of another one is refused.
    """

    eval_every: int = 100
    device: str = "auto"
    group_size: int = 0
    graphs: bool = True
    checkpoint: Path | None = None
    checkpoint_seconds: float = 10.0
    config: str = ""


def train(jobs: Sequence[Job], settings: Settings) -> xr.Dataset:
    """Train all runs, job by job, and return their trajectories.

    Args:
        jobs: the runs, by recipe.
        settings: device, evaluations, checkpoint.

    Returns:
        The schema of ``theory.trajectory`` with source ``network``, runs in the order of the jobs.
        On a GPU the attribute ``execution`` says whether CUDA graphs were used.

    Raises:
        ValueError: for an unknown model, source or device, a recipe that does not fit the data,
            a foreign checkpoint, or when memory runs out.
        Interrupted: on SIGINT or SIGTERM, after the checkpoint was written.
    """
    device = choose_device(settings.device)
    states = _saved(settings, len(jobs))
    fleets = [_fleet(job, settings, device, state) for job, state in zip(jobs, states, strict=True)]

    def save() -> None:
        if settings.checkpoint is not None:
            state = {"fleets": [fleet.state() for fleet in fleets]}
            checkpoint.save(settings.checkpoint, state, config=settings.config)

    n_parallel = min(_n_parallel(device), sum(len(fleet.ensembles) for fleet in fleets))
    if any(one.network.separate for fleet in fleets for one in fleet.ensembles):
        n_parallel = 1  # random numbers are the process's
    _advance_to_the_end(fleets, save, settings.checkpoint_seconds, n_parallel=n_parallel)
    parts = [
        _dataset(job, fleet, settings.eval_every) for job, fleet in zip(jobs, fleets, strict=True)
    ]
    joined = trajectory.join(parts, [run.id for job in jobs for run in job.runs])
    execution = "; ".join(sorted({fleet.execution for fleet in fleets} - {""}))
    return joined.assign_attrs(execution=execution) if execution else joined


def _saved(settings: Settings, n_jobs: int) -> Sequence[dict[str, Any] | None]:
    """The states of a checkpoint, one a job; None for each without one.

    Raises:
        ValueError: if the checkpoint is damaged or belongs to another configuration.
    """
    if settings.checkpoint is None or not settings.checkpoint.exists():
        return [None] * n_jobs
    state = checkpoint.load(settings.checkpoint, config=settings.config)
    with checkpoint.restoring(settings.checkpoint):
        checkpoint.check_like(state, {"fleets": [{"ensembles": []}] * n_jobs})
    return list(state["fleets"])


def _fleet(
    job: Job, settings: Settings, device: torch.device, state: dict[str, Any] | None
) -> Fleet:
    """The ensembles of a job, one for each core, or for each group that fits in memory.

    Resumed from a saved state, it keeps the groups of that state.
    """
    recipe = job.recipe
    images = _load(recipe.data, recipe.train_per_class, recipe.test_per_class, recipe.label_noise)
    there = images.to(device)
    first = [by_name.build(recipe, images)]  # a user's module is searched each time it is built
    separate = first[0].separate

    def build(runs: list[RunSpec]) -> Ensemble:
        return Ensemble(
            runs,
            recipe,
            first.pop() if first else by_name.build(recipe, images),
            there,
            eval_every=settings.eval_every,
            device=device,
            graphs=settings.graphs,
        )

    n_parallel = _n_parallel(device)
    largest = settings.group_size
    if state is not None:
        n_groups = max(len(state["ensembles"]), 1)
    elif largest or device.type == "cuda":
        largest = largest or memory.largest_group(build, job.runs, device)
        n_groups = max(n_parallel, -(-len(job.runs) // largest))
    else:
        n_groups = n_parallel
    if separate:
        n_groups = len(job.runs)
    fleet = Fleet(job.runs, build, n_groups=n_groups)
    if state is not None and settings.checkpoint is not None:
        with checkpoint.restoring(settings.checkpoint):
            checkpoint.check_like(state, fleet.state())
            fleet.restore(state)
    return fleet


def _n_parallel(device: torch.device) -> int:
    """How many ensembles train at a time: one for each core, or one on a GPU."""
    return torch.get_num_threads() if device.type == "cpu" else 1


@functools.cache
def _load(source: str, train_per_class: int, test_per_class: int, noise: float) -> ImageData:
    """A data source, read once for all jobs that share it."""
    return sources.load(
        source, train_per_class=train_per_class, test_per_class=test_per_class, label_noise=noise
    )


def _dataset(job: Job, fleet: Fleet, eval_every: int) -> xr.Dataset:
    """Trajectories of a job's finished runs."""
    series, recipe = fleet.series(), job.recipe
    ensemble = fleet.ensembles[0]
    trajectories = trajectory.build(
        job.runs,
        series,
        source="network",
        model=recipe.model,
        data=recipe.data,
        steps_per_epoch=ensemble.batches.steps_per_epoch,
        evaluations=fleet.evaluations(eval_every),
        eval_every=eval_every,
        n_steps=fleet.ends,
        reasons=fleet.reasons,
        layers=ensemble.network.invariant.names,
        update_rule=recipe.update_rule,
    )
    if recipe.prediction_examples:
        labels = np.tile(ensemble.evaluator.kept_labels.numpy().astype(float), (len(job.runs), 1))
        trajectories["test_label"] = (("run", "test_example"), labels)
    return describe(trajectories, "network")


def _advance_to_the_end(
    fleets: Sequence[Fleet], save: Callable[[], None], seconds: float, *, n_parallel: int
) -> None:
    """Train in chunks of about a second; save regularly, when asked to stop and at the end.

    One ensemble trains per core, of any job; the others wait, so that memory holds only the work
    of those.
    """
    saved_at, n_threads = time.monotonic(), max(1, torch.get_num_threads() // n_parallel)
    with _stop_requests() as stop_requested, _progress_bar(fleets) as bar:
        chunks: dict[int, int] = {}
        while training := _waiting(fleets)[:n_parallel]:
            _advance(training, n_threads, chunks)
            step = max(ensemble.step for ensemble in training)
            n_active = sum(fleet.n_active for fleet in fleets)
            bar.set_postfix_str(f"step {step}, {n_active} to go", refresh=False)
            bar.update(sum(map(_work, fleets)) - bar.n)
            if stop_requested or time.monotonic() - saved_at > seconds:
                save()
                saved_at = time.monotonic()
            if stop_requested:
                raise Interrupted(f"stopped at step {step}")
        save()


def _waiting(fleets: Sequence[Fleet]) -> list[Ensemble]:
    """Ensembles that are not done, in the order of the jobs."""
    return [one for fleet in fleets for one in fleet.ensembles if not one.done]


def _advance(ensembles: Sequence[Ensemble], n_threads: int, chunks: dict[int, int]) -> None:
    """Advance all for about a second; if memory runs out, say what would fit.

    ``chunks`` remembers how many steps at a time suit each ensemble.

    Raises:
        ValueError: if it does.
    """
    try:
        work = functools.partial(_for_a_while, chunks=chunks)
        side_by_side(ensembles, work, n_threads=n_threads)
    except RuntimeError as error:
        full = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not full:
            raise
        largest = max(len(ensemble.rows) for ensemble in ensembles)
        smaller = (
            f"group_size = {largest // 2}, below the {largest} runs of a group,"
            if largest > 1
            else "a smaller batch_size"
        )
        step = max(ensemble.step for ensemble in ensembles)
        raise ValueError(f"memory ran out at step {step}; {smaller} may fit") from error


def _for_a_while(ensemble: Ensemble, chunks: dict[int, int]) -> None:
    """Advance for about ``LOOK_SECONDS``, however long a step takes."""
    started = now = time.monotonic()
    while not ensemble.done and now - started < LOOK_SECONDS:
        chunk = chunks.get(id(ensemble), 1)
        ensemble.advance(chunk)
        before, now = now, time.monotonic()
        chunks[id(ensemble)] = _next_chunk(chunk, now - before)


def _next_chunk(chunk: int, seconds: float) -> int:
    """Steps of the next chunk, to take a tenth of the time between looks; at most twice as many.

    Ensembles side by side wait at each look for the last one's chunk, so chunks are short.
    """
    ideal = chunk * LOOK_SECONDS / 10 / max(seconds, 1e-6)
    return int(max(1, min(ideal, 2 * chunk, LONGEST_CHUNK)))


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying inside a step.

    A second Ctrl-C interrupts at once.
    """
    requests: list[int] = []

    def note(number: int, frame: object) -> None:
        if requests:
            raise KeyboardInterrupt
        requests.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _progress_bar(fleets: Sequence[Fleet]) -> tqdm[Never]:
    """Progress in work, not in steps: late steps, with few runs left, are cheaper."""
    lengths = [[run.n_steps for run in fleet.runs] for fleet in fleets]
    return tqdm(
        total=sum(sum(own) + OVERHEAD_IN_RUNS * max(own) for own in lengths),
        initial=sum(map(_work, fleets)),
        desc=f"training {sum(map(len, lengths))} networks",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}",
        disable=None,
    )


def _work(fleet: Fleet) -> float:
    """Work done so far, in steps of one network."""
    return fleet.n_recorded + OVERHEAD_IN_RUNS * fleet.step


def describe_device(device: torch.device) -> str:
    """Name of a device for the provenance of a result."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
