"""Which examples each run sees at each step, and the images on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from empirical.data import augment
from empirical.data.images import ImageData
from empirical.device import precision
from empirical.training.recipe import Recipe

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Draws:
    """What the active runs draw at random for consecutive steps, on the CPU.

    Attributes:
        chosen: examples of each batch, (n_steps, n_active, batch_size), int32; the end of a short
            batch is padded with 0.
        places: where each is cut, see ``empirical.data.augment.draw``, likewise; empty without
            augmentation.
    """

    chosen: Tensor
    places: Tensor


def check_size(recipe: Recipe, n_train: int) -> None:
    """Refuse batches that so many training examples do not make.

    Raises:
        ValueError: if a batch is larger than the data, or a last batch has a single example,
            which a batch normalisation cannot take.
    """
    size = recipe.batch_size
    if not 1 <= size <= n_train:
        raise ValueError(f"batch_size must be in 1 .. {n_train}, got {size}")
    if (recipe.keep_last_batch or recipe.full_batch) and n_train % size == 1:
        raise ValueError(f"batch_size {size} leaves a batch of one of {n_train} examples")


class Batches:
    """Mini-batches of many runs, each with its own order of the same images.

    An epoch is a fresh permutation cut into batches. Images stay on the device as integers and
    are shuffled, augmented and normalised there. All that is random is drawn on the CPU, for
    many steps at once, by generators of each run; the numbers do not depend on how many.

    Args:
        data: the images.
        recipe: batch size, what becomes of the last batch, augmentation.
        order: a generator for the data order of each run.
        views: a generator for the augmentation of each run.
        device: where the images live.

    Raises:
        ValueError: as of ``check_size``.
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
        check_size(recipe, self.n_train)
        every = recipe.keep_last_batch or recipe.full_batch
        self.recipe, self.device = recipe, device
        self.data = data.to(device)
        self.dtype = precision.dtype(recipe.precision)
        self.images, self.labels = self.data.train_images, self.data.train_labels
        self.order_generators, self.view_generators = list(order), list(views)
        self.per_epoch = -(-self.n_train // size) if every else self.n_train // size
        self.order = torch.empty(len(order), self.n_train, dtype=torch.int32)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the data."""
        return 1 if self.recipe.full_batch else self.per_epoch

    def size_at(self, step: int) -> int:
        """Number of examples of each run's batch at a step, or of all for full-batch descent."""
        if self.recipe.full_batch:
            return self.n_train
        size = self.recipe.batch_size
        return min(size, self.n_train - step % self.per_epoch * size)

    def draw(self, start: int, stop: int, rows: Sequence[int]) -> Draws:
        """Draw the batches of steps; steps must be asked for in order.

        Args:
            start: first step.
            stop: one past the last.
            rows: the active runs.

        Returns:
            Their examples and places; nothing for full-batch descent, which draws nothing.
        """
        n_steps = 0 if self.recipe.full_batch else stop - start
        chosen = torch.zeros(n_steps, len(rows), self.recipe.batch_size, dtype=torch.int32)
        places = torch.zeros_like(chosen if self.recipe.augment else chosen[:0])
        done = 0
        while done < n_steps:
            batch = (start + done) % self.per_epoch
            if batch == 0:
                self._shuffle(rows)
            n = min(self.per_epoch - batch, n_steps - done)
            first, last = (k * self.recipe.batch_size for k in (batch, batch + n))
            examples = self.order[rows, first:last]
            chosen[done : done + n] = self._cut_into(n, examples)
            if self.recipe.augment:
                generators = [self.view_generators[row] for row in rows]
                drawn = augment.draw(generators, examples.shape[1])
                places[done : done + n] = self._cut_into(n, drawn)
            done += n
        return Draws(chosen, places)

    def _shuffle(self, rows: Sequence[int]) -> None:
        """Draw a new order of the examples for the active runs."""
        for row in rows:
            generator = self.order_generators[row]
            self.order[row] = torch.randperm(self.n_train, generator=generator)

    def _cut_into(self, n: int, values: Tensor) -> Tensor:
        """View values (n_active, about n batch_size) as n batches, (n, n_active, batch_size)."""
        padded = F.pad(values, (0, n * self.recipe.batch_size - values.shape[1]))
        return padded.view(len(values), n, self.recipe.batch_size).transpose(0, 1)

    def take(self, chosen: Tensor, places: Tensor | None = None) -> Batch:
        """Images and labels of examples, all on the device.

        Args:
            chosen: the examples, (n_active, n_examples).
            places: where to cut each, likewise; None to leave the images as they are.

        Returns:
            Normalised images (n_active, n_examples, channels, height, width) and their labels
            (n_active, n_examples).
        """
        # whole images at a time, several times as fast as indexing with many indices is on a CPU
        flat = chosen.flatten()
        images = self.images.index_select(0, flat).view(*chosen.shape, *self.images.shape[1:])
        if places is not None:
            images = augment.cut(images, places.long())
        return self.normalise(images), self.labels.index_select(0, flat).view_as(chosen)

    def every_example(self, n_active: int) -> Sequence[Tensor]:
        """All examples for each run, cut into batches, (n_active, n_examples) each."""
        every = torch.arange(self.n_train, device=self.device).expand(n_active, -1)
        return torch.split(every, self.recipe.batch_size, dim=1)

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
        generators = self.order_generators + self.view_generators
        for generator, saved in zip(generators, state["generators"], strict=True):
            generator.set_state(saved)
