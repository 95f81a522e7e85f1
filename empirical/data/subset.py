"""Parts of a data set, and data sets with labels that say nothing."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from empirical.data.images import ImageData, from_tensors

LABEL_STREAM = 1  # sets the generator of label noise apart from others with the same seed


def first_of_each_class(images: ImageData, *, n_train: int, n_test: int) -> ImageData:
    """Take the first images of each class in stored order, normalised by what is left.

    Args:
        images: a whole data set.
        n_train: training images of each class, or 0 for all.
        n_test: test images of each class, or 0 for all.

    Raises:
        ValueError: if a class has fewer.
    """
    train = _first(images.train_labels, n_train, images.n_classes, name="train_per_class")
    test = _first(images.test_labels, n_test, images.n_classes, name="test_per_class")
    return from_tensors(
        images.train_images[train],
        images.train_labels[train],
        images.test_images[test],
        images.test_labels[test],
        n_classes=images.n_classes,
    )


def _first(labels: Tensor, n: int, n_classes: int, *, name: str) -> Tensor:
    """Indices of the first n examples of each class, ascending; all for n = 0."""
    if n == 0:
        return torch.arange(len(labels))
    fewest, label = torch.bincount(labels, minlength=n_classes).min(dim=0)
    if n > fewest:
        raise ValueError(f"{name} must be at most the {fewest} images of class {label}, got {n}")
    members = [(labels == k).nonzero().flatten()[:n] for k in range(n_classes)]
    return torch.cat(members).sort().values


def redraw_labels(images: ImageData, fraction: float, *, seed: int) -> ImageData:
    """Replace a fraction of the training labels, rounded to whole labels, by random ones.

    Classes are drawn uniformly, so that one redrawn label in ``n_classes`` is still right.

    Source: Zhang et al. 2017 (arXiv 1611.03530), section 2.

    Args:
        images: a data set with its own labels.
        fraction: from 0 to 1.
        seed: seed of a generator of its own.

    Returns:
        The same images, with ``redrawn`` naming those whose label was drawn.
    """
    generator = np.random.default_rng((seed, LABEL_STREAM))
    n_train = len(images.train_labels)
    chosen = np.sort(generator.choice(n_train, round(fraction * n_train), replace=False))
    labels = images.train_labels.clone()
    labels[chosen] = torch.from_numpy(generator.integers(images.n_classes, size=len(chosen)))
    return replace(images, train_labels=labels, redrawn=torch.from_numpy(chosen))
