"""Data sources: small image sets that live on the device as integers."""

from pathlib import Path

import numpy as np
import torch

from empirical.data import cifar, image_folder, subset
from empirical.data.images import ImageData, from_tensors
from theory import validate

SOURCES = ("digits", "cifar10", "cifar100", "folder:PATH", "fake[:N]")
TEST_FRACTION = 0.2
SPLIT_SEED = 0
FAKE_SEED = 0
LONGEST_NUMBER = 4000  # digits that Python reads
FAKE_SIZES = (40, 1_000_000)  # one test image for each class; 3 GB of pixels


def load_digits() -> ImageData:
    """Load scikit-learn's 8x8 digits with a fixed, stratified 80/20 split (1437 / 360 images)."""
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split

    digits = sklearn_digits()
    train_images, test_images, train_labels, test_labels = (
        torch.from_numpy(np.ascontiguousarray(part))
        for part in train_test_split(
            digits.images.astype(np.uint8)[:, None],
            digits.target.astype(np.int64),
            test_size=TEST_FRACTION,
            random_state=SPLIT_SEED,
            stratify=digits.target,
        )
    )
    return from_tensors(train_images, train_labels, test_images, test_labels, n_classes=10)


def fake(n_train: int = 2048) -> ImageData:
    """Make 3x32x32 images of uniform noise in 10 classes, always the same ones.

    Args:
        n_train: number of training images; a quarter as many test images come with them.

    Raises:
        ValueError: if there would be too few for the classes, or too many for memory.
    """
    lowest, highest = FAKE_SIZES
    if not lowest <= n_train <= highest:
        raise ValueError(f"N in fake:N must be in {lowest} .. {highest}, got {n_train}")
    validate.fits_in_memory(f"fake:{n_train}", 1.25 * 3 * 32 * 32 * n_train)
    generator = torch.Generator().manual_seed(FAKE_SEED)
    sizes = (n_train, n_train // 4)
    images = [
        torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator) for n in sizes
    ]
    labels = [torch.arange(n) % 10 for n in sizes]
    return from_tensors(images[0], labels[0], images[1], labels[1], n_classes=10)


def load(
    source: str,
    *,
    train_per_class: int = 0,
    test_per_class: int = 0,
    label_noise: float = 0.0,
    seed: int = 0,
) -> ImageData:
    """Load a data source, or the first images of each class, with some labels redrawn.

        >>> from sawtooth import load_images
        >>> images = load_images("digits")
        >>> images.train_images.shape, images.n_classes
        (torch.Size([1437, 1, 8, 8]), 10)

    Args:
        source: one of ``SOURCES``.
        train_per_class: training images of each class, the first in stored order; 0 for all.
        test_per_class: test images of each class, likewise.
        label_noise: fraction of training labels that are replaced by a class drawn uniformly
            from all classes, the right one included.
        seed: seed of the label noise.

    Raises:
        ValueError: if there is no such source, its files are missing or damaged, a class has
            fewer images than asked for, or ``label_noise`` is not from 0 to 1.
        OSError: if an archive cannot be downloaded.
    """
    validate.at_least("train_per_class", train_per_class, 0)
    validate.at_least("test_per_class", test_per_class, 0)
    if not 0 <= label_noise <= 1:
        raise ValueError(f"label_noise must be from 0 to 1, got {label_noise}")
    images = _read(source)
    if train_per_class or test_per_class:
        images = subset.first_of_each_class(images, n_train=train_per_class, n_test=test_per_class)
    return subset.redraw_labels(images, label_noise, seed=seed) if label_noise else images


def _read(source: str) -> ImageData:
    """Read a whole data source."""
    kind, _, argument = source.partition(":")
    if source == "digits":
        return load_digits()
    if source in cifar.SOURCES:
        return cifar.load(source)
    if kind == "folder" and argument:
        return image_folder.load(Path(argument).expanduser())
    if source == "fake":
        return fake()
    if kind == "fake" and argument.isdecimal() and len(argument) < LONGEST_NUMBER:
        return fake(int(argument))
    raise ValueError(f"data must be {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, got {source!r}")
