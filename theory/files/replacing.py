"""A file that takes its place when it is complete, on a disk that may be full."""

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class WholeFile(io.FileIO):
    """A file whose writes seem to succeed; ``settle`` says whether they did.

    HDF5 ends the process with a segmentation fault when it tears down what a failed write left
    half done, and torch's zip writer hides the reason. So the first failure is kept here, and
    nothing is written any more after it.

    Attributes:
        failure: what the first write that failed has raised; None as long as there is none.
    """

    failure: BaseException | None = None

    def write(self, data: object) -> int:
        """Write all of the bytes, or keep the reason why not."""
        whole = memoryview(data).cast("B")  # type: ignore[arg-type]
        left = whole
        while len(left) and self.failure is None:
            try:
                left = left[super().write(left) :]
            except BaseException as failure:  # Ctrl-C too: HDF5 takes it for a failed write
                self.failure = failure
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        """Change the size, or keep the reason why not."""
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as failure:
                self.failure = failure
        return size or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; after a failure nowhere, since HDF5 may tear down after the file was closed."""
        return super().seek(offset, whence) if self.failure is None else offset

    def settle(self) -> None:
        """Make sure that all that was written is on the disk.

        Raises:
            OSError: if a write failed.
        """
        if self.failure is not None:
            raise self.failure
        os.fsync(self.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[WholeFile]:
    """A neighbouring file to write, put in the place of ``path`` at the end, removed on an error.

    Its name is its own, so that of two processes the last one wins whole. A link is followed.
    Folders are made if need be, and go again with the error.

    Raises:
        OSError: with the path, if it cannot be written; an older file stays.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    with folder_of(target):
        with naming(path):
            file = WholeFile(partial, "x+")
        try:
            with file:
                try:
                    yield file
                finally:  # what HDF5 says of a failed write is not why it failed
                    with naming(path):
                        file.settle()
            with naming(path):
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text whole, as UTF-8; what that cannot hold is written as an escape.

    Raises:
        OSError: with the path, if it cannot be written; an older file stays.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Make the folder of a file; what was made and is empty in the end goes again.

    Raises:
        OSError: with the path, if it cannot be made.
    """
    with naming(path):
        made = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        with naming(path):
            if path.parent.is_file():  # mkdir would say that it exists
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the errors of the system the name of the file that the user has asked for."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
