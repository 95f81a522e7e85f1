"""CIFAR-10 and CIFAR-100, downloaded once as records of plain bytes: nothing is unpickled."""

from __future__ import annotations

import hashlib
import os
import tarfile
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from empirical.data.images import ImageData, from_tensors

IMAGE_SHAPE = (3, 32, 32)
IMAGE_BYTES = 3 * 32 * 32
BLOCK = 1 << 20  # bytes read at once
PATIENCE = 30.0  # seconds without an answer


@dataclass(frozen=True)
class Archive:
    """A compressed tar of files of records, each some label bytes and the pixels of one image.

    Attributes:
        url: where it is downloaded from.
        md5: checksum of the archive.
        train: names of the files of training images in the archive, in order.
        test: names of the files of test images.
        label_bytes: bytes before the pixels of a record; the last one is the label.
        n_classes: number of classes.
    """

    url: str
    md5: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int
    n_classes: int


# Source: https://www.cs.toronto.edu/~kriz/cifar.html, binary versions with their checksums.
ARCHIVES = {
    "cifar10": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        train=tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
        test=("cifar-10-batches-bin/test_batch.bin",),
        label_bytes=1,
        n_classes=10,
    ),
    "cifar100": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        train=("cifar-100-binary/train.bin",),
        test=("cifar-100-binary/test.bin",),
        label_bytes=2,  # superclass, class
        n_classes=100,
    ),
}


def data_folder() -> Path:
    """Folder of downloads: ``$SAWTOOTH_DATA``, or ``data`` in the current directory."""
    return Path(os.environ.get("SAWTOOTH_DATA") or "data").expanduser()


def load(archive: Archive) -> ImageData:
    """Read an archive from the folder of downloads, downloading it first if it is not there.

    Raises:
        ValueError: if the archive that is there is damaged.
        OSError: if it cannot be downloaded; nothing is left behind then.
    """
    path = data_folder() / archive.url.rpartition("/")[2]
    if not path.exists():
        _download(archive, path)
    elif (found := _md5(path)) != archive.md5:
        raise ValueError(
            f"{path} is damaged or incomplete (md5 {found}, not {archive.md5}); "
            "remove it to download it again"
        )
    files = _extract(path, {*archive.train, *archive.test})
    train = [_records(files[name], archive.label_bytes) for name in archive.train]
    test = [_records(files[name], archive.label_bytes) for name in archive.test]
    return from_tensors(*_join(train), *_join(test), n_classes=archive.n_classes)


def _download(archive: Archive, path: Path) -> None:
    """Fetch an archive to a neighbouring file, check it and rename it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(archive.url, partial)
        if (found := _md5(partial)) != archive.md5:
            raise OSError(f"what came has md5 {found}, not {archive.md5}")
        partial.replace(path)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise OSError(f"could not download {archive.url} to {path}: {reason}") from error
    finally:
        if partial.exists():
            partial.unlink()


def _fetch(url: str, path: Path) -> None:
    """Copy what a URL answers to a file, with a progress bar on a terminal."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer, path.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0) or None
        with tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=None) as bar:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _extract(path: Path, names: set[str]) -> dict[str, bytes]:
    """Read members of a compressed tar, in one pass and without writing files."""
    files = {}
    with tarfile.open(path, "r|gz") as tar:
        for member in tar:
            if member.name in names and (stream := tar.extractfile(member)):
                files[member.name] = stream.read()
    if missing := names - files.keys():
        raise ValueError(f"{path} does not hold {', '.join(sorted(missing))}")
    return files


def _records(content: bytes, label_bytes: int) -> NDArray[np.uint8]:
    """Cut a file into records, (n, label_bytes + pixels), without the labels but the last."""
    records = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + IMAGE_BYTES)
    return records[:, label_bytes - 1 :]


def _join(parts: list[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32), uint8, and labels (n,), int64, of records of label and pixels."""
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, *IMAGE_SHAPE)
    return torch.from_numpy(images), torch.from_numpy(records[:, 0].astype(np.int64))
