"""The folder of a study's results: what lies in it, and when nothing may be written there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compare import report
from compare.study import store
from compare.study.design import Study, ToyStudy
from theory import files

STUDY_FILE = "study.nc"
REPORT_FILE = "report.html"
CHECKPOINT_FILE = "checkpoint.pt"
PARTS_FOLDER = "parts"


def is_unfinished(out: Path) -> bool:
    """Whether training in the folder was interrupted."""
    parts = out / PARTS_FOLDER
    left = parts.iterdir() if parts.is_dir() else ()
    return (out / CHECKPOINT_FILE).exists() or not all(map(files.is_lock, left))


def is_finished(out: Path) -> bool:
    """Whether the folder holds a whole study."""
    return (out / STUDY_FILE).exists() and not is_unfinished(out)


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
    if resume and is_finished(out):  # else checked when read
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


def check_no_study(out: Path) -> None:
    """Refuse a folder whose study is finished; raises ``ValueError``."""
    if (out / STUDY_FILE).exists():
        raise ValueError(
            f"{out} holds a finished study; remove {out / STUDY_FILE} or choose another --out"
        )
