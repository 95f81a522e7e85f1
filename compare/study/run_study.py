"""Run a study: networks, theory, comparison, one file and its report."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from compare import report
from compare.study import store, toml_file
from compare.study.comparison import compare_with_theory
from compare.study.design import Study, ToyStudy
from theory import files

STUDY_FILE = "study.nc"
REPORT_FILE = "report.html"
CHECKPOINT_FILE = "checkpoint.pt"


class Stopped(Exception):  # noqa: N818 - a wish of the user, not an error
    """The study was interrupted; what it had is in the checkpoint."""


def run(
    study: Study | ToyStudy, out: Path, *, resume: bool = False, overwrite: bool = False
) -> list[str]:
    """Train or, for toys, simulate; compare and report.

    Args:
        study: what to run.
        out: results folder.
        resume: go on from what the folder holds of the same study.
        overwrite: start again, replacing what the folder holds of any study.

    Returns:
        Ids of the runs that stopped being finite where the study did not expect it.

    Raises:
        ValueError: if the folder exists and neither flag is given, or holds another study.
        OSError: if the folder cannot be written, or another process is writing it.
        Stopped: when asked to stop while training; the checkpoint is kept.
    """
    finished, checkpoint = out / STUDY_FILE, out / CHECKPOINT_FILE
    diverged: list[str] = []
    with claimed(study, out, resume=resume, overwrite=overwrite):
        if isinstance(study, Study):
            again = {"resume": resume, "overwrite": overwrite}
            diverged = _run_networks(study, finished, checkpoint, **again)
        elif not (resume and finished.exists()):
            from compare.toy_claims import run_claims

            run_claims.run(study, finished)
        report.write(out / REPORT_FILE, store.read(finished))
        checkpoint.unlink(missing_ok=True)
    return diverged


def run_study(
    study: str | Path | Study | ToyStudy,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    full: bool = False,
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
    run(study, folder, resume=resume, overwrite=overwrite)
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
        networks, device = _train(study, checkpoint)
        provenance = json.dumps(store.provenance(device, study.precisions))
        store.write_trajectories(out, networks, config=study.to_json(), provenance=provenance)
        checkpoint.unlink(missing_ok=True)
    return _diverged(networks, study)


def _diverged(networks: xr.Dataset, study: Study) -> list[str]:
    """Ids of the runs that diverged, but for those whose setting has ``expect = "divergence"``."""
    ended = networks["run"].values[networks["status"].values == "diverged"]
    return [run for run in map(str, ended) if study.expected[run] != "divergence"]


def _run_networks(
    study: Study, finished: Path, checkpoint: Path, *, resume: bool, overwrite: bool
) -> list[str]:
    """Train or take up the networks, compare them with theory, and write the study file."""
    networks, provenance = trained(study, finished, checkpoint, resume=resume, overwrite=overwrite)
    theory, comparison, calibration = compare_with_theory(networks, study)
    groups = {
        "theory": theory,
        "empirical": networks,
        "comparison": comparison,
        "calibration": calibration,
    }
    store.write(finished, groups, config=study.to_json(), provenance=provenance)
    return _diverged(networks, study)


def trained(
    study: Study, finished: Path, checkpoint: Path, *, resume: bool, overwrite: bool
) -> tuple[xr.Dataset, str]:
    """The networks of a study, trained now or taken up, and their provenance as JSON.

    Raises:
        ValueError: if the finished file holds thinned trajectories.
        Stopped: when asked to stop; the checkpoint is kept.
    """
    if overwrite:
        checkpoint.unlink(missing_ok=True)
    if resume and finished.exists() and not checkpoint.exists():
        held = store.read(finished)
        store.check_whole(held)
        return held["empirical"].to_dataset(), held.attrs["provenance"]
    networks, device = _train(study, checkpoint)
    return networks, json.dumps(store.provenance(device, study.precisions))


def _train(study: Study, checkpoint: Path) -> tuple[xr.Dataset, str]:
    """Train the networks, going on from a checkpoint if there is one."""
    from empirical.training import train

    device = train.choose_device(study.device)
    try:
        networks = train.train(
            [train.Job(*job) for job in study.jobs],
            train.Settings(
                eval_every=study.eval_every,
                device=study.device,
                group_size=study.group_size,
                graphs=study.graphs,
                checkpoint=checkpoint,
                checkpoint_seconds=study.checkpoint_seconds,
                config=study.to_json(),
            ),
        )
        networks = networks.sel(run=[run.id for run in study.runs])
    except train.Interrupted as stop:
        raise Stopped(str(stop)) from stop
    return networks, train.describe_device(device)


@contextmanager
def claimed(study: Study | ToyStudy, out: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Be the only process that writes into a results folder, where that loses nothing.

    Raises:
        ValueError: with what was found and what is allowed.
        OSError: if it cannot be written, or another process is writing it.
    """
    if out.is_symlink() and not out.exists():
        raise ValueError(f"{out} is a link that leads nowhere")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, not a results folder")
    with files.locked(out / STUDY_FILE, beside=(REPORT_FILE, CHECKPOINT_FILE)):
        _check_folder(study, out, resume=resume, overwrite=overwrite)
        yield


def _check_folder(study: Study | ToyStudy, out: Path, *, resume: bool, overwrite: bool) -> None:
    taken = not all(files.is_lock(path) for path in out.iterdir())
    if taken and not (resume or overwrite):
        raise ValueError(
            f"{out} exists; use --resume to go on, --overwrite to start again or --out DIR"
        )
    report.check_page(out / REPORT_FILE)
    unfinished = (out / CHECKPOINT_FILE).exists()  # its configuration is checked when read
    if resume and (out / STUDY_FILE).exists() and not unfinished:
        found = store.read(out / STUDY_FILE).attrs["config"]
        if found != study.to_json():
            raise ValueError(
                f"{out} holds another configuration ({_difference(found, study.to_json())}); "
                "use --overwrite or --out DIR"
            )


def _difference(found: str, wanted: str) -> str:
    """The first key in which two configurations differ."""
    there, here = json.loads(found), json.loads(wanted)
    for key in here:
        if there.get(key) != here[key]:
            if isinstance(here[key], list):
                return f"different {key}"
            return f"{key} is {there.get(key)!r} there, {here[key]!r} here"
    return "keys of another version"
