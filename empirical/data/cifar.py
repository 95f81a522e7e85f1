"""CIFAR-10 and CIFAR-100, read and downloaded by torchvision."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from empirical.data.images import ImageData, from_tensors

SOURCES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}  # of the sources, and in torchvision
PATIENCE = 30.0  # seconds without an answer


def data_folder() -> Path:
    """Folder of downloads: ``$SAWTOOTH_DATA``, or ``data`` in the current directory."""
    return Path(os.environ.get("SAWTOOTH_DATA") or "data").expanduser()


def load(name: str) -> ImageData:
    """Read a data set from the folder of downloads, downloading it first if it is not there.

    Files are those of torchvision: ``cifar-10-batches-py/`` or ``cifar-100-python/``, or the
    archive that they come in. Their checksums are compared each time, before they are unpickled.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html, the versions for Python.

    Args:
        name: one of ``SOURCES``.

    Returns:
        Images of 3x32x32 pixels in stored order. Labels of CIFAR-100 are its 100 fine classes.

    Raises:
        ValueError: if files that are there are damaged or incomplete.
        OSError: if they cannot be downloaded or unpacked; nothing is left behind then.
    """
    from torchvision import datasets  # takes seconds

    kind, root = getattr(datasets, SOURCES[name]), data_folder()
    try:
        train, test = (kind(root, train=train) for train in (True, False))
    except RuntimeError:  # not there, or not what the checksums say
        _fetch(kind, root)
        train, test = (kind(root, train=train) for train in (True, False))
    return from_tensors(*_tensors(train), *_tensors(test), n_classes=len(train.classes))


def _tensors(part: Any) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32), uint8, and labels (n,), int64, of a data set of torchvision."""
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
    return torch.from_numpy(images), torch.tensor(part.targets)


def _fetch(kind: Any, root: Path) -> None:
    """Unpack or download the files of a data set, so that each is there whole or not at all."""
    from torchvision.datasets import utils

    folder, archive = root / kind.base_folder, root / kind.filename
    unpack = utils.check_integrity(archive, kind.tgz_md5)
    if not unpack and (damaged := [str(path) for path in (folder, archive) if path.exists()]):
        verb, them = ("is", "it") if len(damaged) == 1 else ("are", "them")
        raise ValueError(
            f"{' and '.join(damaged)} {verb} damaged or incomplete; "
            f"remove {them} to download {them} again"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".partial-") as partial, _impatient():
            if unpack:
                utils.extract_archive(archive, partial)
            kind(partial, download=not unpack)  # checks what came
            folder.mkdir(exist_ok=True)
            for file in Path(partial, kind.base_folder).iterdir():
                file.replace(folder / file.name)  # others who do the same leave the same
    except (OSError, HTTPException, RuntimeError) as error:
        source = f"unpack {archive}" if unpack else f"download {kind.url}"
        wrong = type(error) is RuntimeError  # torchvision's for a checksum
        reason = "what came is damaged" if wrong else getattr(error, "reason", error)
        raise OSError(f"could not {source} to {folder}: {reason}") from error


@contextmanager
def _impatient() -> Iterator[None]:
    """Wait at most ``PATIENCE`` for an answer; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
