"""Train the networks of a study: here or by workers, from the start or from what is there."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import xarray as xr

from compare.study import cost, store
from compare.study.design import Study, ToyStudy
from compare.study.results_folder import CHECKPOINT_FILE, PARTS_FOLDER, STUDY_FILE, is_finished
from theory import files
from theory.trajectory import series_file


class Stopped(Exception):  # noqa: N818 - a wish of the user, not an error
    """The study was interrupted; what it had is in the checkpoint."""


def train_alone(study: Study, out: Path, *, resume: bool = False) -> list[str]:
    """Train the networks of a study and write their trajectories, without theory.

    Args:
        study: what to train.
        out: netCDF file to make; a checkpoint lies beside it meanwhile.
        resume: go on from that checkpoint.

    Returns:
        Ids of the runs that stopped being finite where the study did not expect it.

    Raises:
        ValueError: if there is a checkpoint and ``resume`` is not given.
        OSError: if the file exists or cannot be written, or another process is writing it.
        Stopped: when asked to stop; the checkpoint is kept.
    """
    with files.new_file(out):
        checkpoint = out.with_name(out.name + ".checkpoint")
        if checkpoint.exists() and not resume:
            raise ValueError(f"{checkpoint} is of an interrupted train; use --resume or remove it")
        networks, device = _train(study, checkpoint, out, compared=False)
        provenance = json.dumps(store.provenance(device, study.precisions))
        store.write_trajectories(out, networks, config=study.to_json(), provenance=provenance)
        series_file.remove_checkpoint(checkpoint)
    return diverged(networks, study)


def trained(
    study: Study,
    out: Path,
    *,
    resume: bool,
    overwrite: bool,
    executor: Executor | None = None,
) -> tuple[xr.Dataset, str]:
    """The networks of a study, trained now or taken up, and their provenance as JSON.

    Raises:
        ValueError: if the finished file holds thinned trajectories, or what is unfinished in the
            folder cannot go on as asked.
        Stopped: when asked to stop; the checkpoint is kept.
    """
    finished, checkpoint, parts = out / STUDY_FILE, out / CHECKPOINT_FILE, out / PARTS_FOLDER
    if overwrite:
        remove_unfinished(study, out)
    if resume and is_finished(out):
        held = store.read(finished)
        store.check_whole(held)
        return held["empirical"].to_dataset(), held.attrs["provenance"]
    if checkpoint.exists() and executor is not None:
        raise ValueError(
            f"{checkpoint} is of a run without workers; use --resume without them, or --overwrite"
        )
    if executor is not None:
        return _trained_in_parts(study, out, executor)
    if parts.exists():
        from compare.study.parts import local_processes

        with local_processes.pool(study.device) as pool:
            return _trained_in_parts(study, out, pool)
    networks, device = _train(study, checkpoint, finished, compared=True)
    return networks, json.dumps(store.provenance(device, study.precisions))


def _trained_in_parts(study: Study, out: Path, executor: Executor) -> tuple[xr.Dataset, str]:
    """The networks of a study, trained by an executor; raises like ``trained``."""
    from compare.study.parts import part_files, schedule
    from compare.study.parts.part_files import PartFiles
    from empirical.training.train import Interrupted

    parts = PartFiles.of(study, out)
    takes = cost.of(study, compared=True, shared=True)
    takes.check(out / STUDY_FILE, resumed=parts.folder.exists())
    print(takes, file=sys.stderr)
    parts.make(study)
    try:
        schedule.train_parts(study, parts, executor)
    except Interrupted as stop:
        raise Stopped(f"{stop}; what is done is in {parts.folder}") from stop
    return part_files.joined(study, parts.paths())


def _train(study: Study, checkpoint: Path, out: Path, *, compared: bool) -> tuple[xr.Dataset, str]:
    """Train the networks, going on from a checkpoint if there is one, and say first what it takes.

    ``out`` is the file that is made of them, with theory or without.
    """
    from compare.study.parts.train_part import settings_of
    from empirical.training import train

    takes = cost.of(study, compared=compared)
    takes.check(out, resumed=checkpoint.exists())
    print(takes, file=sys.stderr)
    try:
        networks = train.train(
            [train.Job(*job) for job in study.jobs],
            replace(settings_of(study), checkpoint=checkpoint, config=study.to_json()),
        )
        networks = networks.sel(run=[run.id for run in study.runs])
    except train.Interrupted as stop:
        raise Stopped(str(stop)) from stop
    return networks, str(networks.attrs.pop("device"))


def remove_unfinished(study: Study | ToyStudy, out: Path) -> None:
    """Remove checkpoints and parts, all of which the study's file holds by now."""
    series_file.remove_checkpoint(out / CHECKPOINT_FILE)
    if isinstance(study, Study):
        from compare.study.parts.part_files import PartFiles

        PartFiles.of(study, out).remove()


def diverged(networks: xr.Dataset, study: Study) -> list[str]:
    """Ids of the runs that diverged, but for those whose setting has ``expect = "divergence"``."""
    ended = networks["run"].values[networks["status"].values == "diverged"]
    return [run for run in map(str, ended) if study.expected[run] != "divergence"]
