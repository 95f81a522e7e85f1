"""Train all runs of a study together, with progress, checkpoints and clean interruption."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Never

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from empirical import checkpoint, data, models
from empirical.ensemble import EVALUATED, RECORDED, Ensemble, Record
from theory import trajectory
from theory.laws import FloatArray
from theory.trajectory import RunSpec

CHUNK = 200  # steps between looks at the clock, the keyboard and the checkpoint
CHECKPOINT_SECONDS = float(os.environ.get("SAWTOOTH_CHECKPOINT_SECONDS", "10"))
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

    Returns:
        The schema of ``theory.trajectory`` with source ``network``.

    Raises:
        ValueError: for an unknown model, source or device, or a foreign checkpoint.
        Interrupted: on SIGINT or SIGTERM, after the checkpoint was written.
    """
    images = data.load(data_source)
    ensemble = Ensemble(
        runs,
        models.build(model, images),
        images,
        batch_size=batch_size,
        eval_every=eval_every,
        device=choose_device(device),
    )
    if checkpoint_path is not None and checkpoint_path.exists():
        ensemble.restore(checkpoint.load(checkpoint_path, config=config))
    _advance_to_the_end(ensemble, checkpoint_path, config)
    return _to_dataset(ensemble, model, data_source, len(images.train_labels) // batch_size)


def _advance_to_the_end(ensemble: Ensemble, path: Path | None, config: str) -> None:
    """Train chunk by chunk, saving now and then and when asked to stop."""
    saved_at = time.monotonic()
    with _stop_requests() as stop_requested, _progress_bar(ensemble) as bar:
        while not ensemble.done:
            active = len(ensemble.rows)
            n_steps = ensemble.advance(CHUNK)
            bar.update(n_steps * (active + OVERHEAD_IN_RUNS))
            bar.set_postfix_str(f"step {ensemble.step}, {len(ensemble.rows)} runs", refresh=False)
            if path is not None and (
                stop_requested or time.monotonic() - saved_at > CHECKPOINT_SECONDS
            ):
                checkpoint.save(path, ensemble.state(), config=config)
                saved_at = time.monotonic()
            if stop_requested:
                raise Interrupted(f"stopped at step {ensemble.step}")


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


def _progress_bar(ensemble: Ensemble) -> tqdm[Never]:
    """Progress in work, not in steps: late steps, with few runs left, are cheaper."""
    ends = np.sort([run.n_steps for run in ensemble.runs])
    total = ends.sum() + OVERHEAD_IN_RUNS * ends[-1]
    done = np.minimum(ends, ensemble.step).sum() + OVERHEAD_IN_RUNS * ensemble.step
    return tqdm(
        total=total,
        initial=done,
        desc=f"training {len(ends)} networks",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}",
        disable=None,
    )


def _to_dataset(
    ensemble: Ensemble, model: str, data_source: str, steps_per_epoch: int
) -> xr.Dataset:
    """Lay the records out as (run, step), NaN where a run had ended."""
    n_steps = [int(end) for end in ensemble.end]
    series = _padded(RECORDED, ensemble.records, len(n_steps), max(n_steps), stride=1)
    for values in series.values():
        for row, end in enumerate(n_steps):
            values[row, end:] = np.nan
    evaluations = _padded(
        EVALUATED,
        ensemble.evaluations,
        len(n_steps),
        -(-max(n_steps) // ensemble.eval_every),
        stride=ensemble.eval_every,
    )
    return trajectory.build(
        ensemble.runs,
        series,
        source="network",
        model=model,
        data=data_source,
        steps_per_epoch=steps_per_epoch,
        evaluations=evaluations,
        eval_every=ensemble.eval_every,
        n_steps=n_steps,
        reasons=ensemble.reasons,
    )


def _padded(
    names: Sequence[str], records: Sequence[Record], n_runs: int, length: int, *, stride: int
) -> dict[str, FloatArray]:
    """Scatter records into one (n_runs, length) array per quantity."""
    values = np.full((len(names), n_runs, length), np.nan)
    for record in records:
        first = record.start // stride
        block = record.values.permute(0, 2, 1).numpy()[..., : max(length - first, 0)]
        values[:, record.rows.numpy(), first : first + block.shape[2]] = block
    return dict(zip(names, values, strict=True))


def describe_device(device: torch.device) -> str:
    """Name of a device for the provenance of a result."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
