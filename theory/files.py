"""Files that are written whole or not at all, and that tell when they were damaged since.

The filters and checksums of HDF5 and zip leave gaps: texts, attributes and scalars of the one,
and torch does not compare those of the other. So a file carries a seal behind its end, the hash of
all its bytes. Readers of both formats ignore it, and whoever changes a file through HDF5 drops it.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

MARK = b"\nsawtooth sha256 "
BLOCK = 1 << 20  # bytes to hash at once
SEAL_SIZE = len(MARK) + 2 * hashlib.sha256().digest_size + 1


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A neighbouring file to write, renamed over ``path`` at the end or removed on an error.

    Makes the folder if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_sealed(path: Path) -> Iterator[Path]:
    """The same, sealed before it is renamed."""
    with replacing(path) as partial:
        yield partial
        with partial.open("r+b") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0, os.SEEK_END)
            file.write(MARK + digest.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def check_seal(path: Path) -> None:
    """Refuse a file whose bytes are not those that were written; one without a seal passes.

    Raises:
        ValueError: if it was damaged.
        OSError: if it cannot be read.
    """
    if (seal := _seal(path)) is None:
        return
    digest, left = hashlib.sha256(), path.stat().st_size - SEAL_SIZE
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, BLOCK))):
            digest.update(block)
            left -= len(block)
    if seal != digest.hexdigest().encode():
        raise ValueError(f"{path} is damaged: it does not match its checksum; restore a copy of it")


def is_sealed(path: Path) -> bool:
    """Whether a file is as it was written, or at least says so."""
    return _seal(path) is not None


def _seal(path: Path) -> bytes | None:
    """The hash in the seal of a file; None without one."""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - SEAL_SIZE, 0))
        seal = file.read()
    return seal[len(MARK) : -1] if seal.startswith(MARK) and len(seal) == SEAL_SIZE else None


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset to a netCDF file, its series compressed.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    with replacing_sealed(path) as partial:
        dataset.to_netcdf(partial, engine="h5netcdf", encoding=compressed(dataset))


def compressed(dataset: xr.Dataset, level: int = 1) -> dict[Any, dict[str, Any]]:
    """Encoding that compresses the series of a Dataset, at a level from 1 (fast) to 9 (small)."""
    return {
        variable: {"zlib": True, "complevel": level, "shuffle": True}
        for variable, values in dataset.variables.items()
        if values.dtype.kind == "f" and values.ndim > 1
    }
