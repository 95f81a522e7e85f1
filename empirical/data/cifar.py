"""CIFAR-10 and CIFAR-100, in the files and by the downloads of torchvision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from empirical.data.images import ImageData, from_tensors

SOURCES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}  # names of torchvision's classes


def data_folder() -> Path:
    """Folder of downloads: ``$SAWTOOTH_DATA``, or ``data`` in the current directory."""
    return Path(os.environ.get("SAWTOOTH_DATA") or "data").expanduser()


def load(source: str) -> ImageData:
    """Read a data set from the folder of downloads; what is missing or damaged is downloaded.

    Torchvision compares every file with its checksum before it reads it.

    Args:
        source: ``cifar10`` or ``cifar100``.

    Raises:
        OSError: if it cannot be downloaded.
    """
    from torchvision import datasets  # takes seconds to import, and only this needs it

    kind, folder = getattr(datasets, SOURCES[source]), data_folder()
    train, test = (_read(kind, folder, train=part) for part in (True, False))
    return from_tensors(*_tensors(train), *_tensors(test), n_classes=len(train.classes))


def _read(kind: Any, folder: Path, *, train: bool) -> Any:
    """One part of a data set of torchvision."""
    try:
        return kind(folder, train=train, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise OSError(f"could not download {kind.url} to {folder}: {reason}") from error


def _tensors(part: Any) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32), uint8, and labels (n,), int64."""
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
    return torch.from_numpy(images), torch.tensor(part.targets)
