"""Run a study: networks, theory, comparison, one file and its report."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import xarray as xr

from compare import report
from compare.study import store, toml_file
from compare.study.comparison import compare_with_theory
from compare.study.design import Study, ToyStudy
from compare.study.results_folder import (
    REPORT_FILE,
    STUDY_FILE,
    check_no_study,
    claimed,
    is_finished,
)
from compare.study.train_networks import Stopped, diverged, remove_unfinished, trained
from theory import files


def run(
    study: Study | ToyStudy,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> list[str]:
    """Train or, for toys, simulate; compare and report.

    Args:
        study: what to run.
        out: results folder.
        resume: go on from what the folder holds of the same study.
        overwrite: start again, replacing what the folder holds of any study.
        executor: trains the networks in parts; None to train them here.

    Returns:
        Ids of the runs that stopped being finite where the study did not expect it.

    Raises:
        ValueError: if the folder exists and neither flag is given, or holds another study.
        OSError: if the folder cannot be written, or another process is writing it.
        Stopped: when asked to stop while training; the checkpoint is kept.
    """
    finished = out / STUDY_FILE
    ended: list[str] = []
    with ExitStack() as held:
        held.enter_context(claimed(study, out, resume=resume, overwrite=overwrite))
        if resume and is_finished(out):
            held.enter_context(store.blaming(finished))
        if isinstance(study, Study):
            networks, provenance = trained(
                study, out, resume=resume, overwrite=overwrite, executor=executor
            )
            write_comparison(study, finished, networks, provenance)
            ended = diverged(networks, study)
        elif not (resume and finished.exists()):
            from compare.toy_claims import run_claims

            run_claims.run(study, finished)
        report.write(out / REPORT_FILE, store.read(finished))
        remove_unfinished(study, out)
    return ended


def run_shard(
    study: Study, out: Path, i: int, n: int, *, resume: bool = False, overwrite: bool = False
) -> tuple[Path, list[str]]:
    """Train the i-th of n shares of a study's runs; ``merge`` makes the study of all shares.

    Args:
        study: what to train.
        out: results folder, of this shard alone or shared with the others.
        i: from 1 to n.
        n: number of shares.
        resume: go on from the shard's checkpoint.
        overwrite: train it again.

    Returns:
        The file of its trajectories, and the ids of the runs that stopped being finite where the
        study did not expect it.

    Raises:
        ValueError: if there is no such share, or it is there and neither flag is given.
        OSError: if the folder cannot be written.
        Stopped: when asked to stop; the checkpoint is kept.
    """
    from compare.study.parts import shards
    from compare.study.parts.part_files import PartFiles
    from empirical.training.train import Interrupted

    check_no_study(out)
    parts = PartFiles.of(study, out)
    with files.locked(parts.folder / f"shard-{i}-of-{n}"):
        parts.make(study)
        if overwrite:
            shards.forget(study, parts, i, n)
        try:
            kept = shards.train(study, parts, i, n, resume=resume)
        except Interrupted as stop:
            raise Stopped(str(stop)) from stop
    return kept, diverged(store.read(kept, bare=True).to_dataset(), study)


def merge(folders: Sequence[Path], out: Path) -> list[str]:
    """Make a study of its shards: theory, comparison, report.

    Args:
        folders: results folders that hold all shards of one study between them.
        out: results folder to write; may be one of them.

    Returns:
        Ids of the runs that stopped being finite where the study did not expect it.

    Raises:
        ValueError: if runs are missing, a file is damaged, or ``out`` holds a study.
        OSError: if the folder cannot be written.
    """
    from compare.study.parts import shards

    check_no_study(out)
    study = shards.study_in(folders[0])
    into_one = out.absolute() in [folder.absolute() for folder in folders]
    with claimed(study, out, resume=into_one, overwrite=False):
        networks, provenance = shards.collect(study, folders)
        write_comparison(study, out / STUDY_FILE, networks, provenance)
        report.write(out / REPORT_FILE, store.read(out / STUDY_FILE))
        remove_unfinished(study, out)
    return diverged(networks, study)


def run_study(
    study: str | Path | Study | ToyStudy,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    full: bool = False,
    executor: Executor | None = None,
    **overrides: Any,
) -> xr.DataTree:
    """Run a study: train, compare with theory, write ``study.nc`` and ``report.html``.

        >>> from sawtooth import run_study
        >>> study = run_study("studies/digits.toml", "small", seeds=1, steps=60, overwrite=True)
        >>> sorted(study.children)
        ['calibration', 'comparison', 'empirical', 'theory']

    Args:
        study: a TOML file, or a study made in Python.
        out: results folder, ``results/<name>`` by default.
        resume: continue from what the folder holds of the same study.
        overwrite: start again, replacing what the folder holds.
        full: the published size, from the file's table ``[full]``.
        executor: any ``concurrent.futures.Executor``, such as a process pool, those of loky and
            submitit, or ``client.get_executor()`` of Dask: it trains the networks in parts, with
            the same numbers. See docs/cluster.md.
        **overrides: values that replace the file's, such as ``seeds``, ``steps``, ``data``.

    Returns:
        The study as ``open_study`` reads it.

    Raises:
        ValueError: for a bad study, or a folder that exists and neither flag is given.
        OSError: if the folder cannot be written.
        Stopped: on Ctrl-C; the checkpoint is kept, and ``resume=True`` continues from it.
    """
    if isinstance(study, str | Path):
        study = toml_file.read(Path(study), overrides, full=full)
    elif overrides or full:
        raise ValueError("overrides are for studies read from a file")
    folder = Path("results") / study.name if out is None else Path(out)
    run(study, folder, resume=resume, overwrite=overwrite, executor=executor)
    return open_study(folder)


def open_study(path: str | Path) -> xr.DataTree:
    """Read a study file into memory.

        >>> from sawtooth import open_study
        >>> study = open_study("results/reference/digits/study.nc")
        >>> study["comparison"]["period"].attrs["units"]
        'steps'

    Args:
        path: ``study.nc``, or the results folder that holds it.

    Returns:
        Groups ``/theory``, ``/empirical`` (trajectories on ``run`` and ``step``), ``/comparison``
        (measured and predicted, along ``run``) and, for networks, ``/calibration``. See
        docs/data.md.

    Raises:
        ValueError: if it is missing, damaged or not a study file of this schema.
    """
    path = Path(path)
    return store.read(path / STUDY_FILE if path.is_dir() else path)


def write_comparison(study: Study, finished: Path, networks: xr.Dataset, provenance: str) -> None:
    """Compare networks with theory, and write the study file.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    theory, comparison, calibration = compare_with_theory(networks, study)
    groups = {
        "theory": theory,
        "empirical": networks,
        "comparison": comparison,
        "calibration": calibration,
    }
    store.write(finished, groups, config=study.to_json(), provenance=provenance)
