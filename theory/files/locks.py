"""One writer at a time, by locks of the operating system, which end with their process."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from theory.files.replacing import folder_of, naming

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

# Of file systems that know no locks, such as some of clusters. There nobody is kept out.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


@contextmanager
def locked(path: Path, *, beside: Sequence[str] = ()) -> Iterator[None]:
    """Be the only process that writes ``path``, and remove what a killed one has left of it.

    The lock is a hidden file beside it for as long as that lasts. One that a killed process has
    left locks nobody out.

    Args:
        path: the file, or any name that stands for what is written.
        beside: names of further files in its folder that its holder writes.

    Raises:
        BlockingIOError: if another process holds the lock.
        OSError: with the path, if its folder cannot be written.
    """
    lock = path.with_name(lock_name(path.name))
    with folder_of(path):
        handle = _acquire(lock, path)
        try:
            _sweep(path.parent, (path.name, *beside))
            yield
        finally:
            lock.unlink(missing_ok=True)  # while it is held: see _acquire
            os.close(handle)


def _sweep(folder: Path, names: Sequence[str]) -> None:
    """Remove what writers that were killed have left."""
    for left in folder.glob("*.partial"):
        if left.name.startswith(tuple(f"{name}." for name in names)):
            left.unlink(missing_ok=True)


def lock_name(name: str) -> str:
    """Name of the file that locks a file."""
    return f".{name}.lock"


def is_lock(path: Path) -> bool:
    """Whether a file is a lock, held or left by a process that was killed."""
    return path.name.startswith(".") and path.name.endswith(".lock")


def _acquire(lock: Path, path: Path) -> int:
    """Open the lock's file and lock it; again if its holder has removed it in between."""
    while True:
        with naming(path):
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
            held = lock.exists() and os.path.samestat(lock.stat(), os.fstat(handle))
        except BlockingIOError:
            os.close(handle)
            raise BlockingIOError(
                f"another process is writing {path}; wait for it or choose another --out"
            ) from None
        if held:
            return handle
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock an open file, where that is possible."""
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
