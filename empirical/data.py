"""Data sources: small image sets that live on the device as integers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from theory import validate

SOURCES = ("digits", "cifar10", "cifar100", "folder:PATH", "fake[:N]")
TEST_FRACTION = 0.2
SPLIT_SEED = 0
FAKE_SEED = 0
FAKE_SIZES = (40, 1_000_000)  # one test image for each class; 3 GB of pixels


@dataclass(frozen=True)
class ImageData:
    """A classification data set, kept as uint8 and normalised when a batch is drawn.

    Attributes:
        train_images: (n_train, channels, height, width), uint8.
        train_labels: (n_train,), int64.
        test_images: (n_test, channels, height, width), uint8.
        test_labels: (n_test,), int64.
        n_classes: number of classes.
        mean: mean pixel value of each channel over the training images, (channels, 1, 1).
        std: standard deviation of each channel over the training images, (channels, 1, 1).
        redrawn: indices of the training images whose label is noise, (n_redrawn,), int64.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    n_classes: int
    mean: Tensor
    std: Tensor
    redrawn: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    def to(self, device: torch.device) -> ImageData:
        """The same data on a device, shared by all who use it there."""
        names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), Tensor)]
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def normalise(self, images: Tensor) -> Tensor:
        """Map uint8 pixels (..., channels, height, width) to float32 on the images' device.

        Each channel gets zero mean and unit variance over the training set.
        """
        return (images.float() - self.mean.to(images.device)) / self.std.to(images.device)


def from_tensors(
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    n_classes: int,
) -> ImageData:
    """Make a data set of uint8 images, with the mean and spread of its training images.

    Raises:
        ValueError: if a channel is the same everywhere, so that it cannot be normalised.
    """
    mean, std = _mean_and_std(train_images)
    if not bool((std > 0).all()):
        channel = int((~(std > 0)).flatten().nonzero()[0])
        raise ValueError(f"all training images have one and the same value in channel {channel}")
    return ImageData(
        train_images,
        train_labels,
        test_images,
        test_labels,
        n_classes=n_classes,
        mean=mean,
        std=std,
    )


def _mean_and_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (channels, 1, 1), float32.

    Both come from the histogram of pixel values, so no copy of the images in floats is made.
    """
    counts = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)])
    counts, values = counts.double(), torch.arange(256, dtype=torch.float64)
    n_pixels = counts.sum(dim=1)
    mean = counts @ values / n_pixels
    squares = (counts * (values - mean[:, None]).square()).sum(dim=1)
    std = (squares / (n_pixels - 1)).sqrt()
    return mean.float().view(-1, 1, 1), std.float().view(-1, 1, 1)


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
    from empirical import subset  # here, because it imports this module

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
    from empirical import cifar, folder  # here, because they import this module

    kind, _, argument = source.partition(":")
    if source == "digits":
        return load_digits()
    if source in cifar.ARCHIVES:
        return cifar.load(cifar.ARCHIVES[source])
    if kind == "folder" and argument:
        return folder.load(Path(argument).expanduser())
    if source == "fake":
        return fake()
    if kind == "fake" and argument.isdecimal():
        return fake(int(argument))
    raise ValueError(f"data must be {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, got {source!r}")
