"""A classification data set of small images, kept as integers and normalised when used."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

SMALLEST_STD = 1.0  # grey level
LOOKED_AT = 1000  # images
PART = 8192  # images whose pixels are counted at once
MOST_COPIES = 0.5  # of one image: a batch of copies has no variance


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
        ValueError: if a channel is nearly the same everywhere, or most images are one and the
            same, so that a normalisation has nothing to divide by.
    """
    mean, std = _mean_and_std(train_images)
    _check_spread(train_images, std)
    return ImageData(
        train_images,
        train_labels,
        test_images,
        test_labels,
        n_classes=n_classes,
        mean=mean,
        std=std,
    )


def _check_spread(images: Tensor, std: Tensor) -> None:
    """Refuse images of which a batch may hold nothing but copies: see ``from_tensors``."""
    if bool((flat := (~(std >= SMALLEST_STD)).flatten()).any()):
        channel = int(flat.nonzero()[0])
        raise ValueError(
            f"all training images have nearly one and the same value in channel {channel}: its "
            f"standard deviation is {float(std.flatten()[channel]):.2g} of 255"
        )
    some = images[torch.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).long()]
    typical = some.median(dim=0).values  # the image itself, if most are the same
    share = float((some == typical).flatten(1).all(dim=1).double().mean())
    if share > MOST_COPIES:
        raise ValueError(f"{share:.0%} of the training images are one and the same")


def _mean_and_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (channels, 1, 1), float32.

    Both come from the histogram of pixel values, so no copy of the images in floats is made.
    """
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for part in torch.split(images, PART):  # bincount makes int64 of all it counts
        for count, channel in zip(counts, part.unbind(1), strict=True):
            count += torch.bincount(channel.flatten(), minlength=256)
    counts, values = counts.double(), torch.arange(256, dtype=torch.float64)
    n_pixels = counts.sum(dim=1)
    mean = counts @ values / n_pixels
    squares = (counts * (values - mean[:, None]).square()).sum(dim=1)
    std = (squares / (n_pixels - 1)).sqrt()
    return mean.float().view(-1, 1, 1), std.float().view(-1, 1, 1)
