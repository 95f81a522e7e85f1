"""Train all runs of a study together, with progress, checkpoints and clean interruption."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Never

import torch
import xarray as xr
from tqdm import tqdm

from empirical import checkpoint, data, models
from empirical.ensemble import Ensemble
from empirical.fleet import Fleet
from theory import trajectory
from theory.trajectory import RunSpec

CHUNK = 200  # steps between looks at the clock, the keyboard and the checkpoint
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


def train(
    runs: Sequence[RunSpec],
    *,
    model: str,
    data_source: str,
    batch_size: int,
    eval_every: int,
    device: str = "auto",
    config: str = "",
    checkpoint_path: Path | None = None,
    checkpoint_seconds: float = 10.0,
) -> xr.Dataset:
    """Train the runs as one ensemble and return their trajectories.

    Args:
        runs: learning rate, decay, seed and length of each run.
        model: architecture; see ``empirical.models.build``.
        data_source: see ``empirical.data.load``.
        batch_size: examples in a batch.
        eval_every: steps between evaluations on the test set.
        device: ``auto``, ``cpu`` or ``cuda``.
        config: identifies the study, so that a checkpoint of another one is refused.
        checkpoint_path: where to keep a checkpoint; training goes on from one that is there.
        checkpoint_seconds: time between checkpoints; the last one holds the finished runs.

    Returns:
        The schema of ``theory.trajectory`` with source ``network``.

    Raises:
        ValueError: for an unknown model, source or device, or a foreign checkpoint.
        Interrupted: on SIGINT or SIGTERM, after the checkpoint was written.
    """
    images = data.load(data_source)
    place = choose_device(device)

    def build(some: list[RunSpec]) -> Ensemble:
        return Ensemble(
            some,
            models.build(model, images),
            images,
            batch_size=batch_size,
            eval_every=eval_every,
            device=place,
        )

    fleet = _start_or_resume(runs, build, place, checkpoint_path, config)

    def save() -> None:
        if checkpoint_path is not None:
            checkpoint.save(checkpoint_path, fleet.state(), config=config)

    _advance_to_the_end(fleet, save, checkpoint_seconds)
    return trajectory.build(
        runs,
        fleet.series(),
        source="network",
        model=model,
        data=data_source,
        steps_per_epoch=len(images.train_labels) // batch_size,
        evaluations=fleet.evaluations(eval_every),
        eval_every=eval_every,
        n_steps=fleet.ends,
        reasons=fleet.reasons,
    )


def _start_or_resume(
    runs: Sequence[RunSpec],
    build: Callable[[list[RunSpec]], Ensemble],
    device: torch.device,
    path: Path | None,
    config: str,
) -> Fleet:
    """A new fleet with an ensemble for each core, or the one that a checkpoint holds."""
    if path is None or not path.exists():
        n_groups = torch.get_num_threads() if device.type == "cpu" else 1
        return Fleet(runs, build, n_groups=n_groups)
    state = checkpoint.load(path, config=config)
    fleet = Fleet(runs, build, n_groups=len(state["ensembles"]))
    fleet.restore(state)
    return fleet


def _advance_to_the_end(fleet: Fleet, save: Callable[[], None], seconds: float) -> None:
    """Train chunk by chunk, saving now and then, when asked to stop and at the end."""
    saved_at = time.monotonic()
    with _stop_requests() as stop_requested, _progress_bar(fleet) as bar:
        while not fleet.done:
            fleet.advance(CHUNK)
            bar.set_postfix_str(f"step {fleet.step}, {fleet.n_active} active", refresh=False)
            bar.update(_work(fleet) - bar.n)
            if stop_requested or fleet.done or time.monotonic() - saved_at > seconds:
                save()
                saved_at = time.monotonic()
            if stop_requested:
                raise Interrupted(f"stopped at step {fleet.step}")


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


def _progress_bar(fleet: Fleet) -> tqdm[Never]:
    """Progress in work, not in steps: late steps, with few runs left, are cheaper."""
    lengths = [run.n_steps for run in fleet.runs]
    return tqdm(
        total=sum(lengths) + OVERHEAD_IN_RUNS * max(lengths),
        initial=_work(fleet),
        desc=f"training {len(lengths)} networks",
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
