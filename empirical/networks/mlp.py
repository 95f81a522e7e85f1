"""MLPs whose runs share batched products: scale-invariant, or with all weights trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from empirical.networks.any_module import ModuleNetwork
from empirical.networks.architectures import LAST_LAYER_NORM
from empirical.networks.batched_mlp import BatchedMLP, products
from empirical.networks.weight_layout import Layout


class ScaleInvariantMLP(BatchedMLP):
    """No affine parameters in the normalisations, and a frozen last layer.

    Every trained weight feeds a batch normalisation, so the loss does not change when a
    layer's weights are multiplied by a positive number. The last layer is frozen at a random
    direction with a fixed Frobenius norm; otherwise its growth would rescale the logits.

    Source: Lobacheva et al. 2021 (arXiv 2106.15739), section 3, with dense layers.

    Args:
        widths: input width, hidden widths, number of classes; e.g. ``(64, 64, 64, 10)``.
        norm_eps: epsilon of the batch normalisation. Not 0, which torch rejects in training;
            small enough that the loss stays invariant to float32 rounding.
    """

    def __init__(self, widths: tuple[int, ...], *, norm_eps: float = 1e-12) -> None:
        *shapes, last = ((n_out, n_in) for n_in, n_out in pairwise(widths))
        names = tuple(f"layer{i + 1}" for i in range(len(shapes)))
        self.layers = self.invariant = Layout(names, tuple(shapes))
        self.frozen = Layout(("last",), (last,))
        self.norm_eps = norm_eps

    def to(self, device: torch.device, dtype: torch.dtype) -> ScaleInvariantMLP:
        """The same: all it computes with is handed to it."""
        return self

    def initialise(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw one network.

        Args:
            generator: source of all randomness of the initialisation.

        Returns:
            The trained weights, flat, (n_weights,); uniform in +-1/sqrt(in) per layer, torch's
            default. And the frozen last layer, flat, (n_classes * last hidden width,).
        """
        layers = [
            (2 * torch.rand(n_out * n_in, generator=generator) - 1) / math.sqrt(n_in)
            for n_out, n_in in self.layers.shapes
        ]
        last = torch.randn(*self.frozen.shapes[0], generator=generator)
        return torch.cat(layers), last.flatten() * (LAST_LAYER_NORM / last.norm())

    def test_logits(
        self, leaves: list[Tensor], frozen: Tensor, population: Tensor, images: Tensor
    ) -> Tensor:
        """Logits with the population's statistics; see ``empirical.networks.by_name.Network``."""
        n_runs, n_population = len(frozen), len(population)
        hidden = torch.cat([population.flatten(1), images.flatten(1)]).T.expand(n_runs, -1, -1)
        for layer in leaves:
            product = products(layer, hidden)
            variance, mean = torch.var_mean(product[:, :, :n_population], dim=2, correction=0)
            statistics, flat = (mean.flatten(), variance.flatten()), product.flatten(0, 1)[None]
            normal = F.batch_norm(flat, *statistics, training=False, eps=self.norm_eps)
            hidden = F.relu(normal).view_as(product)
        (last,) = self.frozen.split(frozen)
        return products(last, hidden[:, :, n_population:])


class AllTrainedMLP(BatchedMLP, ModuleNetwork):
    """Affine parameters and the last layer are trained too; a module in all but its training.

    Args:
        make: makes ``architectures.mlp`` with ``all_trained``, from torch's global generator.
        invariant: names of the layers' weights.
        norm_eps: epsilon of its batch normalisations.
    """

    def __init__(
        self, make: Callable[[], nn.Module], invariant: Sequence[str], *, norm_eps: float
    ) -> None:
        super().__init__(make, invariant)
        self.norm_eps = norm_eps
