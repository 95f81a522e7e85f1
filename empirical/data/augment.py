"""Random crops and flips of whole batches, the same for a run alone and among others.

An image is padded with black, cut to its size at a place drawn uniformly, and mirrored left to
right with probability 1/2: the usual augmentation of CIFAR, as in torchvision's
``RandomCrop(size, padding)`` and ``RandomHorizontalFlip()`` before normalisation.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

PADDING = 4


def draw(generators: Sequence[Generator], n_examples: int, *, padding: int = PADDING) -> Tensor:
    """Draw one integer for each example, which says where it is cut and whether it is mirrored.

    Returns:
        (n_runs, n_examples), int64, uniform on the 2 (2 padding + 1)^2 possibilities.
    """
    n_places = 2 * (2 * padding + 1) ** 2
    rows = [torch.randint(n_places, (n_examples,), generator=one) for one in generators]
    return torch.stack(rows)


def cut(images: Tensor, places: Tensor, *, padding: int = PADDING) -> Tensor:
    """Cut each image out of its padded self, the whole batch at once.

    Args:
        images: (n_runs, n_examples, channels, height, width), uint8.
        places: what ``draw`` gave, (n_runs, n_examples).
        padding: the same as in ``draw``.

    Raises:
        ValueError: if there is not one place for each image.
    """
    if places.shape != images.shape[:2]:
        raise ValueError(
            f"images of {images.shape[0]} runs with {images.shape[1]} examples need as many "
            f"random places, got {tuple(places.shape)}"
        )
    n_runs, n_examples, _, height, width = images.shape
    top, left, mirrored = unpack(places.to(images.device), padding=padding)
    padded = F.pad(images, [padding] * 4)
    windows = padded.unfold(3, height, 1).unfold(4, width, 1)  # a view, (..., top, left, i, j)
    run = torch.arange(n_runs, device=images.device)[:, None]
    example = torch.arange(n_examples, device=images.device)
    chosen = windows[run, example, :, top, left]
    return torch.where(mirrored[..., None, None, None], chosen.flip(4), chosen)


def unpack(places: Tensor, *, padding: int = PADDING) -> tuple[Tensor, Tensor, Tensor]:
    """Row and column of the corner in the padded image, 0 .. 2 padding, and whether mirrored."""
    n_shifts = 2 * padding + 1
    return places // 2 // n_shifts, places // 2 % n_shifts, places % 2 == 1
