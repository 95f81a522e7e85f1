"""Which examples each run sees at each step, and the images on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from empirical import augment, precision
from empirical.data import ImageData
from empirical.recipe import Recipe

Batch = tuple[Tensor, Tensor]


class Batches:
    """Mini-batches of many runs, each with its own order of the same images.

    An epoch is a fresh permutation cut into batches. Images stay on the device as integers and
    are shuffled, augmented and normalised there; a permutation is shipped once an epoch.

    Args:
        data: the images.
        recipe: batch size, what becomes of the last batch, augmentation.
        order: a generator for the data order of each run.
        views: a generator for the augmentation of each run.
        device: where the images live.

    Raises:
        ValueError: if a batch is larger than the data, or a last batch has a single example,
            which a batch normalisation cannot take.
    """

    def __init__(
        self,
        data: ImageData,
        recipe: Recipe,
        order: Sequence[Generator],
        views: Sequence[Generator],
        device: torch.device,
    ) -> None:
        self.n_train, size = len(data.train_images), recipe.batch_size
        if not 1 <= size <= self.n_train:
            raise ValueError(f"batch_size must be in 1 .. {self.n_train}, got {size}")
        every = recipe.keep_last_batch or recipe.full_batch
        if every and self.n_train % size == 1:
            raise ValueError(f"batch_size {size} leaves a batch of one of {self.n_train} examples")
        self.data, self.recipe, self.device = data, recipe, device
        self.dtype = precision.dtype(recipe.precision)
        self.images = data.train_images.to(device)
        self.labels = data.train_labels.to(device)
        self.order_generators, self.view_generators = list(order), list(views)
        self.per_epoch = -(-self.n_train // size) if every else self.n_train // size
        self.order = torch.empty(len(order), self.n_train, dtype=torch.int32)
        self._shipped = self.order.to(device)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the data."""
        return 1 if self.recipe.full_batch else self.per_epoch

    def at(self, step: int, rows: Sequence[int]) -> list[Batch]:
        """What the active runs learn from at a step.

        Args:
            step: the optimizer step; steps must be asked for in order.
            rows: the active runs.

        Returns:
            Normalised images (n_active, n_examples, channels, height, width) and their labels
            (n_active, n_examples): one batch, or all of them for full-batch descent.
        """
        size = self.recipe.batch_size
        if self.recipe.full_batch:
            every = torch.arange(self.n_train, device=self.device).expand(len(rows), -1)
            return [self._take(part, rows) for part in torch.split(every, size, dim=1)]
        batch = step % self.per_epoch
        if batch == 0:
            for row in rows:
                generator = self.order_generators[row]
                self.order[row] = torch.randperm(self.n_train, generator=generator)
            self._shipped = self.order.to(self.device, non_blocking=True)
        chosen = self._shipped[rows, batch * size : (batch + 1) * size]
        return [self._take(chosen, rows)]

    def _take(self, chosen: Tensor, rows: Sequence[int]) -> Batch:
        """Images and labels of examples (n_active, n_examples)."""
        images = self.images[chosen]
        if self.recipe.augment:
            images = augment.crop_and_flip(images, [self.view_generators[row] for row in rows])
        return self.normalise(images), self.labels[chosen]

    def normalise(self, images: Tensor) -> Tensor:
        """Images in the type of the weights, zero mean and unit variance over the training set."""
        return self.data.normalise(images).to(self.dtype)

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {
            "order": self.order,
            "generators": [g.get_state() for g in self.order_generators + self.view_generators],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a ``state()`` of the same runs."""
        self.order = state["order"]
        self._shipped = self.order.to(self.device)
        generators = self.order_generators + self.view_generators
        for generator, saved in zip(generators, state["generators"], strict=True):
            generator.set_state(saved)
