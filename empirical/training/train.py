"""Train all runs of a study together, with progress, checkpoints and clean interruption."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from empirical.data.images import ImageData
from empirical.device import machine
from empirical.device.one_thread import one_thread
from empirical.networks import by_name
from empirical.training import checkpoint, memory
from empirical.training.ensemble import Ensemble
from empirical.training.parallel_ensembles import Fleet, side_by_side
from empirical.training.recipe import Recipe
from empirical.training.surroundings import Surroundings, Terminal
from theory import trajectory, validate
from theory.trajectory import RunSpec, series_file
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
        cores: most ensembles that train side by side on a CPU; 0 for one a core.
        checkpoint: checkpoint file, with the series beside it; training resumes from it if it
            exists. Without one, series lie in temporary files.
        checkpoint_seconds: time between checkpoints; the last one holds the finished runs.
        config: identifies the study, so that a checkpoint of another one is refused.
    """

    eval_every: int = 100
    device: str = "auto"
    group_size: int = 0
    graphs: bool = True
    cores: int = 0
    checkpoint: Path | None = None
    checkpoint_seconds: float = 10.0
    config: str = ""


def train(
    jobs: Sequence[Job], settings: Settings, surroundings: Surroundings | None = None
) -> xr.Dataset:
    """Train all runs, job by job, and return their trajectories.

    Args:
        jobs: the runs, by recipe.
        settings: device, evaluations, checkpoint.
        surroundings: who may stop it and hears how far it is; a terminal by default.

    Returns:
        The schema of ``theory.trajectory`` with source ``network``, runs in the order of the jobs.
        The attribute ``device`` says where they were trained, and on a GPU ``execution`` whether
        CUDA graphs were used. On a CPU no number depends on how many cores there are, nor on
        which runs are trained together.

    Raises:
        ValueError: for an unknown model, source or device, a recipe that does not fit the data,
            a foreign checkpoint, when memory cannot hold it or runs out.
        OSError: if the disk has no room for the series or a checkpoint.
        Interrupted: on SIGINT or SIGTERM, or as the surroundings ask, after the checkpoint was
            written.
    """
    device = choose_device(settings.device)
    if device.type == "cpu":
        validate.fits_in_memory("this study", needed(jobs, settings))
    n_parallel = _n_parallel(device, settings.cores)
    try:
        with one_thread():
            return _train(jobs, settings, surroundings or Terminal(), device, n_parallel)
    except BaseException:
        if settings.checkpoint is not None and not settings.checkpoint.exists():
            series_file.remove_checkpoint(settings.checkpoint)  # series of which nothing is known
        raise


def _train(
    jobs: Sequence[Job],
    settings: Settings,
    surroundings: Surroundings,
    device: torch.device,
    n_parallel: int,
) -> xr.Dataset:
    """The same on a known device, so many ensembles at a time."""
    saved = _saved(settings, len(jobs))
    machines = machine.continued(saved["machines"], device)
    fleets = [
        _fleet(job, settings, device, n_parallel, state, place)
        for place, (job, state) in enumerate(zip(jobs, saved["fleets"], strict=True))
    ]

    def save() -> None:
        if settings.checkpoint is not None:
            state = {"fleets": [fleet.state() for fleet in fleets], "machines": machines}
            checkpoint.save(settings.checkpoint, state, config=settings.config)

    if any(one.network.separate for fleet in fleets for one in fleet.ensembles):
        n_parallel = 1  # random numbers are the process's
    _advance_to_the_end(
        fleets,
        save,
        settings.checkpoint_seconds,
        n_parallel=n_parallel,
        surroundings=surroundings,
    )
    parts = [
        _dataset(job, fleet, settings.eval_every) for job, fleet in zip(jobs, fleets, strict=True)
    ]
    joined = trajectory.join(parts, [run.id for job in jobs for run in job.runs])
    execution = "; ".join(sorted({fleet.execution for fleet in fleets} - {""}))
    told = {"device": ", then ".join(machines)} | ({"execution": execution} if execution else {})
    return joined.assign_attrs(told)


def _saved(settings: Settings, n_jobs: int) -> dict[str, Any]:
    """The states of a checkpoint, one a job, and where it was made; None for each without one.

    Raises:
        ValueError: if the checkpoint is damaged or belongs to another configuration.
    """
    if settings.checkpoint is None or not settings.checkpoint.exists():
        return {"fleets": [None] * n_jobs, "machines": []}
    state = checkpoint.load(settings.checkpoint, config=settings.config)
    with checkpoint.restoring(settings.checkpoint):
        fleet = {"ensembles": [], "series": {"lengths": [], "sums": []}}
        checkpoint.check_like(state, {"fleets": [fleet] * n_jobs, "machines": []})
    return state


def needed(jobs: Sequence[Job], settings: Settings, *, compared: bool = False) -> float:
    """Bytes that training these jobs on a CPU takes at its peak; see ``memory.on_cpu``."""
    return memory.on_cpu(
        [(job.recipe, job.runs) for job in jobs],
        eval_every=settings.eval_every,
        n_parallel=_n_parallel(torch.device("cpu"), settings.cores),
        group_size=settings.group_size,
        compared=compared,
    )


def _fleet(
    job: Job,
    settings: Settings,
    device: torch.device,
    n_parallel: int,
    state: dict[str, Any] | None,
    place: int,
) -> Fleet:
    """The ensembles of a job, one for each core, or for each group that fits in memory.

    Resumed from a saved state, it keeps the groups of that state. ``place`` is that of the job
    among all.
    """
    recipe = job.recipe
    images = memory.images_of(recipe)
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
    if settings.checkpoint is None:
        return Fleet(job.runs, build, n_groups=n_groups)
    path = series_file.of_checkpoint(settings.checkpoint, place)
    with checkpoint.restoring(settings.checkpoint) if state else nullcontext():
        return Fleet(job.runs, build, n_groups=n_groups, path=path, state=state)


def _n_parallel(device: torch.device, cores: int) -> int:
    """How many ensembles train at a time: one for each core, or one on a GPU."""
    return cores or torch.get_num_threads() if device.type == "cpu" else 1


def _dataset(job: Job, fleet: Fleet, eval_every: int) -> xr.Dataset:
    """Trajectories of a job's finished runs."""
    series, recipe = fleet.finished_series(), job.recipe
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
    for name, value in _size(ensemble.network, ensemble.batches.data).items():
        trajectories[name] = ("run", [value] * len(job.runs))
    if recipe.prediction_examples:
        labels = np.tile(ensemble.evaluator.kept_labels.numpy().astype(float), (len(job.runs), 1))
        trajectories["test_label"] = (("run", "test_example"), labels)
    return describe(trajectories, "network")


@functools.cache
def network_size(recipe: Recipe) -> dict[str, int]:
    """How large a recipe's network and its data are: ``n_weights`` and what goes with it.

    Raises:
        ValueError: for a model or a source that is unknown or does not fit the other.
    """
    images = memory.images_of(recipe)
    return _size(by_name.build(recipe, images), images)


def _size(network: by_name.Network, images: ImageData) -> dict[str, int]:
    return {
        "n_weights": network.invariant.n_weights,
        "n_layers": len(network.invariant.names),
        "n_kernels": sum(len(shape) > 2 for shape in network.invariant.shapes),
        "n_examples": len(images.train_images),
        "n_classes": images.n_classes,
    }


def _advance_to_the_end(
    fleets: Sequence[Fleet],
    save: Callable[[], None],
    seconds: float,
    *,
    n_parallel: int,
    surroundings: Surroundings,
) -> None:
    """Train in chunks of about a second; save regularly, when asked to stop and at the end.

    One ensemble trains per core, of any job; the others wait, so that memory holds only the work
    of those.
    """
    saved_at = time.monotonic()
    n_runs = sum(len(fleet.runs) for fleet in fleets)
    total, done = sum(map(_all_work, fleets)), sum(map(_work, fleets))
    with surroundings.watching(f"training {n_runs} networks", total=total, done=done) as watch:
        chunks: dict[int, int] = {}
        while training := _waiting(fleets)[:n_parallel]:
            _advance(training, chunks)
            step = max(ensemble.step for ensemble in training)
            n_active = sum(fleet.n_active for fleet in fleets)
            watch.show(sum(map(_work, fleets)), f"step {step}, {n_active} to go")
            stopping = watch.stop_requested
            if stopping or time.monotonic() - saved_at > seconds:
                save()
                saved_at = time.monotonic()
            if stopping:
                raise Interrupted(f"stopped at step {step}")
        save()


def _waiting(fleets: Sequence[Fleet]) -> list[Ensemble]:
    """Ensembles that are not done, in the order of the jobs."""
    return [one for fleet in fleets for one in fleet.ensembles if not one.done]


def _advance(ensembles: Sequence[Ensemble], chunks: dict[int, int]) -> None:
    """Advance all for about a second; if memory runs out, say what would fit.

    ``chunks`` remembers how many steps at a time suit each ensemble.

    Raises:
        ValueError: if it does.
    """
    try:
        work = functools.partial(_for_a_while, chunks=chunks)
        side_by_side(ensembles, work)
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


def _all_work(fleet: Fleet) -> float:
    """Work of all its runs; late steps, with few runs left, are cheaper."""
    lengths = [run.n_steps for run in fleet.runs]
    return sum(lengths) + OVERHEAD_IN_RUNS * max(lengths)


def _work(fleet: Fleet) -> float:
    """Work done so far, in steps of one network."""
    return fleet.n_recorded + OVERHEAD_IN_RUNS * fleet.step
