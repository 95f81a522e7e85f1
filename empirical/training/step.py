"""One optimizer step of the active runs over tensors that stay in place.

What differs from step to step, such as examples, learning rate and where to record, is on the
device before the first step of a chunk, and looked up there by a counter that is on the device too.
A step therefore asks nothing of the host, and one recording of it serves every step of a chunk.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from empirical.data.batches import Batch, Batches, Draws
from empirical.device import precision
from empirical.networks.by_name import Network
from empirical.training.recipe import Recipe
from empirical.training.sgd import SGD

LONGEST_CHUNK = 500
MOST_INDICES = 2**22  # indices of a chunk's examples on the device, 16 MB


class Step:
    """The step, the inputs of a chunk of steps and what is recorded in them.

    Args:
        network: the architecture.
        recipe: batches, augmentation and precision.
        batches: the images on the device.
        sgd: weights and gradients of the active runs, and their update.
        frozen: frozen weights of the active runs.
    """

    def __init__(
        self, network: Network, recipe: Recipe, batches: Batches, sgd: SGD, frozen: Tensor
    ) -> None:
        self.network, self.recipe, self.batches = network, recipe, batches
        self.sgd, self.frozen = sgd, frozen
        self.leaves = network.layers.split(sgd.weights)
        n_active, device = len(sgd.weights), sgd.weights.device
        n_indices = max(1, n_active * recipe.batch_size)
        self.capacity = max(1, min(LONGEST_CHUNK, MOST_INDICES // n_indices))
        shape = (0 if recipe.full_batch else self.capacity, n_active, recipe.batch_size)
        self._at = torch.zeros(1, dtype=torch.int64, device=device)
        self._chosen = torch.zeros(shape, dtype=torch.int32, device=device)
        self._places = torch.zeros_like(self._chosen if recipe.augment else self._chosen[:0])
        self._rates = sgd.weights.new_zeros(self.capacity, n_active, 1)
        n_recorded = 1 + len(sgd.recorded)
        self._values = self._rates.new_zeros(
            (self.capacity, n_recorded, n_active), dtype=torch.float64
        )
        self._more = torch.zeros_like(sgd.weights) if recipe.full_batch else None

    def load(self, draws: Draws, rates: Tensor) -> None:
        """Put the inputs of the next steps, at most ``capacity`` of them, on the device.

        Args:
            draws: their batches.
            rates: their learning rates, (n_steps, n_active, 1), on the CPU.
        """
        _ship(draws.chosen, self._chosen)
        _ship(draws.places, self._places)
        _ship(rates, self._rates)
        self._at.zero_()

    def __call__(self, size: int) -> None:
        """Do the next step of the chunk, on batches of ``size`` examples."""
        losses = self._losses(size)
        values = torch.stack([losses.double(), *self.sgd.step(self._now(self._rates))])
        self._values.index_copy_(0, self._at, values[None])
        self._at.add_(1)

    def recorded(self, n_steps: int) -> Tensor:
        """What the chunk's first steps recorded, (n_recorded, n_steps, n_active), on the CPU.

        Returns:
            The loss and then what ``SGD.step`` returns.
        """
        # a copy also where one step is contiguous either way: the next chunk writes here again
        return self._values[:n_steps].transpose(0, 1).clone().cpu()

    def _losses(self, size: int) -> Tensor:
        """Losses, averaged over the examples of all batches, as are the gradients in ``sgd``."""
        batches = self._batches(size)
        losses = self._one_batch(*next(batches), self.sgd.gradient)
        if self._more is None or size <= self.recipe.batch_size:
            return losses
        share = self.recipe.batch_size / size
        losses = losses * share
        self.sgd.gradient.mul_(share)
        for images, labels in batches:
            share = labels.shape[1] / size
            losses = losses + share * self._one_batch(images, labels, self._more)
            self.sgd.gradient.add_(self._more, alpha=share)
        return losses

    def _batches(self, size: int) -> Iterator[Batch]:
        """What the runs learn from: one batch, or all of them for full-batch descent."""
        if self.recipe.full_batch:
            for part in self.batches.every_example(len(self.frozen)):
                yield self.batches.take(part)
            return
        places = self._now(self._places)[:, :size] if self.recipe.augment else None
        yield self.batches.take(self._now(self._chosen)[:, :size], places)

    def _one_batch(self, images: Tensor, labels: Tensor, gradient: Tensor) -> Tensor:
        with precision.of(self.recipe.precision, images.device):
            return self.network.gradients(self.leaves, self.frozen, images, labels, out=gradient)

    def _now(self, inputs: Tensor) -> Tensor:
        """The current step's share of the inputs of a chunk."""
        return inputs.index_select(0, self._at)[0]


def _ship(values: Tensor, into: Tensor) -> None:
    """Copy to the first rows of a tensor, on a GPU without waiting for it."""
    if into.is_cuda and len(values):
        values = values.pin_memory()
    into[: len(values)].copy_(values, non_blocking=True)
