"""Series of many runs in a file of raw numbers, so that memory does not grow with their length.

The file has its final size from the start, so that a full disk is known before anything is trained.
It is mapped for the time of one access only: how much of it stays in memory is the operating
system's choice. A checkpoint beside it holds how far each run is and a checksum of that much; what
lies beyond was written after the checkpoint, and is written again.
"""

import errno
import mmap
import os
import tempfile
import weakref
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from theory.arrays import FloatArray, IntArray
from theory.files.replacing import folder_of, naming

IN_MEMORY = 2**28  # bytes of series that are read as a whole, which is faster where they are used
PART = 2**23  # bytes of the file in memory at once where all of it is gone through
# Of file systems that cannot reserve room, where a full disk shows while the file is written.
NO_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class SeriesFile:
    """Quantities of runs at every step, (n_quantities, n_runs, n_steps) float64 in a file.

    Args:
        names: of the quantities.
        n_runs: number of runs.
        n_steps: steps of the longest.
        path: the file; None for one without a name that goes with this object.
        resume: take up the file that is there, instead of a new one.

    Raises:
        ValueError: if the file to take up is missing or of another size.
        OSError: with the path, if the disk has no room for a new one.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_runs: int,
        n_steps: int,
        *,
        path: Path | None = None,
        resume: bool = False,
    ) -> None:
        self.names, self.path = tuple(names), path
        self.shape = len(self.names), n_runs, n_steps
        self.n_bytes = 8 * len(self.names) * n_runs * n_steps
        self._lengths = np.zeros(n_runs, dtype=np.int64)
        self._sums = np.zeros(self.shape[:2], dtype=np.int64)
        if path is None:
            with naming(Path(tempfile.gettempdir())):
                handle, name = tempfile.mkstemp(prefix="sawtooth-")
            Path(name).unlink()
        elif resume:
            handle = self._taken_up(path)
        else:
            with folder_of(path), naming(path):
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._handle, self._close = handle, weakref.finalize(self, os.close, handle)
        if not resume:
            self._reserve(path or Path(tempfile.gettempdir()))

    def _taken_up(self, path: Path) -> int:
        """Open the file that a checkpoint goes with."""
        if not path.is_file():
            raise ValueError(f"{path} is missing, which holds the series of the checkpoint")
        if (size := path.stat().st_size) != self.n_bytes:
            raise ValueError(f"{path} has {size} bytes, not {self.n_bytes}")
        return os.open(path, os.O_RDWR)

    def _reserve(self, path: Path) -> None:
        """Take the room on the disk; without it, a write to the mapped file ends the process."""
        try:
            with naming(path):
                if not _reserved(self._handle, self.n_bytes):
                    os.truncate(self._handle, self.n_bytes)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Close the file and remove it."""
        self._close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def numbers(self) -> FloatArray:
        """The file as an array, mapped for as long as the array lives."""
        mapped = mmap.mmap(self._handle, self.n_bytes)
        return np.frombuffer(mapped, dtype=np.float64).reshape(self.shape)

    def write(self, rows: IntArray, start: int, values: Mapping[str, FloatArray]) -> None:
        """Write consecutive steps of some runs.

        Args:
            rows: the runs, (n_rows,).
            start: first step.
            values: every quantity, (n_steps, n_rows) each.
        """
        numbers = self.numbers()
        for held, name in zip(numbers, self.names, strict=True):
            stop = start + len(values[name])
            held[rows, start:stop] = values[name].T

    def end(self, lengths: Sequence[int]) -> None:
        """Make everything after the end of a run NaN."""
        for row, length in enumerate(lengths):
            for start, stop in _parts(length, self.shape[2]):
                self.numbers()[:, row, start:stop] = np.nan

    def state(self, lengths: Sequence[int]) -> dict[str, Any]:
        """Bring so many steps of each run to the disk, and return what recognises them.

        Args:
            lengths: steps written of each run, none fewer than when last asked.
        """
        reached = np.array(lengths, dtype=np.int64)
        self._sums = self._checksums(self._sums, self._lengths, reached)
        self._lengths = reached
        if self.path is not None:
            with naming(self.path):
                os.fsync(self._handle)
        return {"lengths": self._lengths.tolist(), "sums": self._sums.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state``.

        Raises:
            ValueError: if the file does not hold what it held then.
        """
        self._lengths = np.array(state["lengths"], dtype=np.int64)
        wanted = np.array(state["sums"], dtype=np.int64)
        nothing = np.zeros_like(self._sums), np.zeros_like(self._lengths)
        self._sums = self._checksums(*nothing, self._lengths)
        if not np.array_equal(self._sums, wanted):
            raise ValueError(f"{self.path} is damaged or of another checkpoint")

    def _checksums(self, sums: IntArray, starts: IntArray, stops: IntArray) -> IntArray:
        """Checksums of each run and quantity, continued over further steps."""
        sums = sums.copy()
        for row, whole in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            for start, stop in _parts(*whole):
                for sum_of, held in zip(sums, self.numbers(), strict=True):
                    sum_of[row] = zlib.crc32(held[row, start:stop], int(sum_of[row]))
        return sums

    def variables(self, n_steps: int) -> dict[str, Any]:
        """The first steps of each quantity, read where they are used; small ones at once."""
        lazy = {
            name: indexing.LazilyIndexedArray(_Quantity(self, place, n_steps))
            for place, name in enumerate(self.names)
        }
        if self.n_bytes > IN_MEMORY:
            return lazy
        return {name: np.asarray(values) for name, values in lazy.items()}


class _Quantity(BackendArray):
    """One quantity as xarray reads it: only what is asked for, each time that it is."""

    def __init__(self, file: SeriesFile, place: int, n_steps: int) -> None:
        self.file, self.place = file, place
        self.shape, self.dtype = (file.shape[1], n_steps), np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> FloatArray:
        return np.array(self.file.numbers()[self.place, :, : self.shape[1]][key])


def of_checkpoint(checkpoint: Path, job: int) -> Path:
    """The file of a job's series, beside a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.name}.series{job}")


def remove_checkpoint(checkpoint: Path) -> None:
    """Remove a checkpoint and then its series: without it they are of no use."""
    checkpoint.unlink(missing_ok=True)
    for left in checkpoint.parent.glob(f"{checkpoint.name}.series*"):
        left.unlink(missing_ok=True)


def _reserved(handle: int, n_bytes: int) -> bool:
    """Take room on the disk for an open file; False where the system or the disk cannot."""
    try:
        os.posix_fallocate(handle, 0, n_bytes)
    except AttributeError:
        return False
    except OSError as error:
        if error.errno not in NO_RESERVE:
            raise
        return False
    return True


def _parts(start: int, stop: int) -> list[tuple[int, int]]:
    """A range of steps in parts that may be in memory at once."""
    every = PART // 8
    return [(at, min(at + every, stop)) for at in range(start, stop, every)]
