"""What may be written where: a new file nowhere but where there is none, others over their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from theory.files.locks import locked

MARGIN = 2**16  # bytes at both ends of a file in which its mark is looked for


@contextmanager
def new_file(path: Path) -> Iterator[None]:
    """Be the only process that makes a file, where there is none yet.

    Raises:
        FileExistsError: if there is something.
        BlockingIOError: if another process is making it.
        OSError: with the path, if its folder cannot be written.
    """
    check_new(path)
    with locked(path):
        check_new(path)  # what another process has finished in between
        yield


def check_there(path: Path) -> None:
    """Refuse to read what is no file.

    Raises:
        ValueError: saying whether there is nothing or a folder, and the studies in that.
    """
    if path.is_dir():
        held = sorted(path.glob("*.nc"))
        hint = f"; give {held[0]}" if held else ""
        raise ValueError(f"cannot read {path}: it is a folder{hint}")
    if not path.is_file():
        raise ValueError(f"cannot read {path}: no such file")


def check_new(path: Path) -> None:
    """Refuse to make a file where there is something.

    Raises:
        FileExistsError: if there is, be it a link that leads nowhere.
    """
    _check_link(path)
    if path.exists():
        raise FileExistsError(f"{path} exists already; choose another --out or remove it")


def check_ours(path: Path, kind: str, is_ours: Callable[[Path], bool]) -> None:
    """Refuse to replace a file that is of another kind than the one to write.

    Args:
        path: where the file is to be written.
        kind: what it will be, such as ``report``.
        is_ours: whether a file is one of these, by what it holds.

    Raises:
        FileExistsError: if there is something else.
    """
    _check_link(path)
    if path.exists() and not (path.is_file() and is_ours(path)):
        raise FileExistsError(
            f"{path} is there and is no {kind} of Sawtooth; choose another name or remove it"
        )


def holds(*marks: str) -> Callable[[Path], bool]:
    """Make the function that says whether a file has one of these texts near one of its ends."""

    def found(path: Path) -> bool:
        with path.open("rb") as file:
            ends = file.read(MARGIN)
            file.seek(max(path.stat().st_size - MARGIN, 0))
            ends += file.read(MARGIN)
        return any(mark.encode() in ends for mark in marks)

    return found


def _check_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise FileExistsError(f"{path} is a link that leads nowhere; choose another or remove it")
