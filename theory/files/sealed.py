"""Files that tell when they were damaged since they were written.

The filters and checksums of HDF5 and zip leave gaps: texts, attributes and scalars of the one,
and torch does not compare those of the other. So a file carries a seal behind its end, the hash of
all its bytes. Readers of both formats ignore it, and whoever changes a file through HDF5 drops it.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from theory.files.replacing import WholeFile, replacing

MARK = b"\nsawtooth sha256 "
BLOCK = 1 << 20  # bytes to hash at once
SEAL_SIZE = len(MARK) + 2 * hashlib.sha256().digest_size + 1
MOST_WRONG = 2  # bytes of a mark that was damaged itself; where more differ, there was none


@contextmanager
def replacing_sealed(path: Path) -> Iterator[WholeFile]:
    """A file as of ``replacing``, sealed before it takes its place; raises like that."""
    with replacing(path) as file:
        yield file
        if file.failure is None:
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.write(MARK + digest.encode() + b"\n")


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
    """The hash in the seal of a file, which no file has if its mark is damaged; None without."""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - SEAL_SIZE, 0))
        seal = file.read()
    if len(seal) != SEAL_SIZE:
        return None
    around, expected = seal[: len(MARK)] + seal[-1:], MARK + b"\n"
    n_wrong = sum(one != other for one, other in zip(around, expected, strict=True))
    if n_wrong > MOST_WRONG:
        return None
    return b"" if n_wrong else seal[len(MARK) : -1]
