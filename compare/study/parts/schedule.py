"""Parts of a study to an executor, and what comes back: progress over all, stops, lost workers."""

import time
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)

import xarray as xr

from compare.study.design import Study
from compare.study.parts.dealing import Part, deal
from compare.study.parts.part_files import PartFiles
from compare.study.parts.train_part import on_worker, settings_of
from empirical.training.surroundings import Terminal, Watch
from empirical.training.train import Interrupted, Settings

LOOK_SECONDS = 1.0
GRACE_SECONDS = 20.0  # for running parts to write their checkpoints when asked to stop
MOST_LOSSES = 3  # of workers by one part that does not get any further

Running = dict["Future[xr.Dataset | None]", Part]


def train_parts(study: Study, files: PartFiles, executor: Executor) -> None:
    """Train all parts of a study that are not finished; they are in their files afterwards.

    Args:
        study: what to train.
        files: where finished parts and checkpoints are kept.
        executor: any; its workers import this package.

    Raises:
        ValueError: what a worker refused, or if a part lost its worker again and again.
        Interrupted: on SIGINT or SIGTERM, or when the workers are gone; what is finished and the
            checkpoints stay.
    """
    parts = deal(study, done=files.finished())
    total = sum(run.n_steps for run in study.runs)
    work = _Work(
        executor, settings_of(study), files, done=total - sum(part.n_steps for part in parts)
    )
    with Terminal().watching(
        f"training {len(study.runs)} networks", total=total, done=work.done
    ) as watch:
        running = {work.submit(part): part for part in parts}
        try:
            _wait_for_all(running, work, watch)
        except BaseException:
            _stop(running, files)
            raise


class _Work:
    """Submitted parts, and how much is done."""

    def __init__(
        self, executor: Executor, settings: Settings, files: PartFiles, *, done: int
    ) -> None:
        self.executor, self.settings, self.files, self.done = executor, settings, files, done
        self.losses: dict[str, tuple[float, int]] = {}

    def submit(self, part: Part) -> "Future[xr.Dataset | None]":
        return self.executor.submit(on_worker, part, self.settings, self.files)

    def take(self, part: Part, trajectories: xr.Dataset | None) -> None:
        """Keep what a worker gave back, unless it did so itself."""
        if trajectories is not None:
            self.files.keep(part, trajectories)
        self.done += part.n_steps

    def again(self, part: Part, error: Exception) -> "Future[xr.Dataset | None]":
        """Submit a part that lost its worker, unless it has not got further for some times."""
        checkpoint = self.files.checkpoint(part)
        reached = checkpoint.stat().st_mtime if checkpoint.exists() else 0.0
        before, n_losses = self.losses.get(part.name, (reached, 0))
        n_losses = n_losses + 1 if reached == before else 1
        self.losses[part.name] = (reached, n_losses)
        if n_losses >= MOST_LOSSES:
            raise ValueError(
                f"the part of {part.runs[0]} was given up {n_losses} times for lost workers, "
                f"without getting further; a smaller group_size than {len(part.runs)} may fit in "
                "their memory"
            ) from error
        return self.submit(part)


def _wait_for_all(running: Running, work: _Work, watch: Watch) -> None:
    """Take results as they come, until none is left."""
    looked_at = time.monotonic()
    while running:
        finished, _ = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            part = running.pop(future)
            try:
                work.take(part, future.result())
            except CancelledError as error:
                raise Interrupted("the scheduler was lost") from error
            except BrokenExecutor as error:
                raise Interrupted("a worker was lost, and the executor with it") from error
            except Exception as error:
                if not _lost(error):
                    raise
                running[work.again(part, error)] = part
        if time.monotonic() - looked_at > LOOK_SECONDS:
            steps = work.done + sum(work.files.steps_of_running().values())
            watch.show(steps, f"{len(running)} parts to go")
            looked_at = time.monotonic()
        if watch.stop_requested:
            raise Interrupted(f"stopped with {len(running)} parts to go")


def _lost(error: Exception) -> bool:
    """Whether Dask gave a task up because its workers died."""
    return type(error).__name__ == "KilledWorker"


def _stop(running: Running, files: PartFiles) -> None:
    """Ask the workers to save, and give them some time for it."""
    for future in running:
        future.cancel()
    if not files.folder.is_dir():
        return
    files.stop_file.touch()
    deadline = time.monotonic() + GRACE_SECONDS
    while files.steps_of_running() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS / 4)
