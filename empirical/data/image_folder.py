"""Image folders, ``train/CLASS/*`` and ``test/CLASS/*``, decoded once and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image

from empirical.data.images import ImageData, from_tensors

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
CACHE = ".sawtooth-cache.npz"
PART = 64  # files that a thread decodes at once; small images gain nothing from threads

Pixels = NDArray[np.uint8]
Images = dict[str, list[Path]]
Classes = dict[str, dict[tuple[str, str], Path]]  # by the folder that a file really lies in


def load(root: Path) -> ImageData:
    """Read an image folder.

    Files and classes are those that torchvision's ``ImageFolder`` finds: classes are the sorted
    names of the folders in ``train/``, and the folders inside a class belong to it. A warning
    names other files, unless they are hidden. Images are RGB, or have one channel if all of them
    are 8-bit grey.

    Pixels are kept in ``root/.sawtooth-cache.npz`` where that can be written. The cache holds for
    the very bytes it was made from: hashing them takes 0.6 s for 60 000 files of 1 kB, decoding
    them ten times as long.

    Args:
        root: the folder that holds ``train/`` and ``test/``.

    Raises:
        ValueError: if a folder is missing or a class is empty, if the two parts differ in their
            classes, or if an image is damaged or of another size than the first.
    """
    train, test = _list(root, "train"), _list(root, "test")
    _check_same_classes(root, train, test)
    files = [file for part in (train, test) for members in part.values() for file in members]
    key = _fingerprint(files)
    pixels = _cached(root / CACHE, key)
    if pixels is None:
        pixels = _decode(files)
        _keep(root / CACHE, key, pixels)
    images = torch.from_numpy(pixels)
    train_labels, test_labels = _labels(train), _labels(test)
    n_train = len(train_labels)
    return from_tensors(
        images[:n_train], train_labels, images[n_train:], test_labels, n_classes=len(train)
    )


def _list(root: Path, part: str) -> Images:
    """Image files of each class of one part, as torchvision's ``ImageFolder`` finds them."""
    from torchvision.datasets import ImageFolder  # takes seconds to import, and only this needs it

    if not root.is_dir():
        raise ValueError(f"there is no image folder {root}")
    if not (root / part).is_dir():
        raise ValueError(f"{root} holds no folder {part}/ with a folder for each class")
    names = sorted(p.name for p in (root / part).iterdir() if p.is_dir() and not _hidden(p))
    if len(names) < 2:
        raise ValueError(f"{root / part} must hold at least 2 class folders, got {len(names)}")
    found = ImageFolder.make_dataset(
        root / part,
        {name: label for label, name in enumerate(names)},
        is_valid_file=lambda file: not _hidden(Path(file)),
        allow_empty=True,
    )
    classes: Classes = {name: {} for name in names}
    for file, label in found:
        path = Path(file)  # a link to a folder above leads to the same files again
        classes[names[label]].setdefault((os.path.realpath(path.parent), path.name), path)
    images = {name: [p for p in files.values() if _is_image(p)] for name, files in classes.items()}
    for name, files in images.items():
        if not files:
            raise ValueError(f"{root / part / name} holds no images ({', '.join(SUFFIXES)})")
    others = [p for p in (root / part).iterdir() if p.is_file() and not _hidden(p)]
    every = [path for files in classes.values() for path in files.values()]
    others += [path for path in every if not (_is_image(path) or path.is_symlink())]
    _say_what_is_left_out(root / part, others)
    return images


def _say_what_is_left_out(folder: Path, files: list[Path]) -> None:
    """Warn of files that are no images, or lie beside the class folders."""
    if files:
        some = ", ".join(str(file.relative_to(folder)) for file in sorted(files)[:3])
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        warnings.warn(
            f"{folder}: left out, being no images inside a class folder: {some}{more}",
            stacklevel=2,
        )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _check_same_classes(root: Path, train: Images, test: Images) -> None:
    """Refuse parts with different classes."""
    for part, other, extra in (
        ("train", "test", train.keys() - test.keys()),
        ("test", "train", test.keys() - train.keys()),
    ):
        if extra:
            names = ", ".join(sorted(extra))
            raise ValueError(f"{root / part} holds classes that {other}/ has not: {names}")


def _labels(classes: Images) -> torch.Tensor:
    """Label of each image in the order of the files, (n,), int64."""
    counts = torch.tensor([len(members) for members in classes.values()])
    return torch.arange(len(classes)).repeat_interleave(counts)


def _fingerprint(files: list[Path]) -> str:
    """Hash of all that decoding depends on: the decoder and the bytes of each file, in order."""
    digest = hashlib.sha256(f"Pillow {PIL.__version__}".encode())
    for file in files:
        content = file.read_bytes()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _decode(files: list[Path]) -> Pixels:
    """Decode images of one size, (n, channels, height, width)."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = threads.map(_decode_part, (files[i : i + PART] for i in range(0, len(files), PART)))
        images = [image for part in parts for image in part]
    shape = images[0].shape[:2]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != shape:
            raise ValueError(
                f"all images must have one size, but {file} has {_size(image)} pixels "
                f"and {files[0]} has {_size(images[0])}"
            )
    n_channels = 1 if all(image.ndim == 2 for image in images) else 3
    pixels = np.empty((len(images), n_channels, *shape), dtype=np.uint8)
    for row, image in zip(pixels, images, strict=True):
        row[:] = image if image.ndim == 2 else image.transpose(2, 0, 1)  # grey fills all channels
    return pixels


def _decode_part(files: list[Path]) -> list[Pixels]:
    return [_decode_one(file) for file in files]


def _decode_one(file: Path) -> Pixels:
    """Pixels of one image, (height, width) if it is 8-bit grey, else (height, width, 3)."""
    try:
        with Image.open(file) as image:
            mode = image.mode
            pixels = np.asarray(image if mode == "L" else image.convert("RGB"))
    except Exception as error:  # each decoder of Pillow has errors of its own
        raise ValueError(f"{file} is not a readable image ({type(error).__name__})") from error
    if mode.startswith(("I", "F")):
        raise ValueError(f"{file} must have 8 bits a channel, but its pixels have mode {mode}")
    return pixels


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _cached(path: Path, key: str) -> Pixels | None:
    """Pixels that were kept under this key; None if there are none or the cache is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return np.asarray(kept["pixels"]) if str(kept["key"]) == key else None
    except Exception:  # whatever is wrong with it, the images are still there
        return None


def _keep(path: Path, key: str, pixels: Pixels) -> None:
    """Write the cache atomically, or not at all where that is not possible."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, key=np.array(key), pixels=pixels)
        partial.replace(path)
    except OSError:
        pass  # no room or no permission: decode again next time
    finally:
        if partial.exists():
            partial.unlink()
