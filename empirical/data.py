"""Data sources: small image sets that live on the device as integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TEST_FRACTION = 0.2
SPLIT_SEED = 0


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
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    n_classes: int
    mean: Tensor
    std: Tensor

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

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
    """Make a data set of uint8 images, with the mean and spread of its training images."""
    pixels = train_images.double().transpose(0, 1).flatten(1)
    return ImageData(
        train_images,
        train_labels,
        test_images,
        test_labels,
        n_classes=n_classes,
        mean=pixels.mean(dim=1).float().view(-1, 1, 1),
        std=pixels.std(dim=1).float().view(-1, 1, 1),
    )


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


SOURCES: dict[str, Callable[[], ImageData]] = {"digits": load_digits}


def load(source: str) -> ImageData:
    """Load a data source by name.

    Raises:
        ValueError: if no source has that name.
    """
    if source not in SOURCES:
        raise ValueError(f"data must be one of {', '.join(SOURCES)}, got {source!r}")
    return SOURCES[source]()
