"""Networks whose every trained weight is scale-invariant, evaluated for many runs at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from empirical.data import ImageData

LARGEST_WIDTH = 16_384


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Batched matrix product whose rounding does not depend on the number of runs.

    torch hands a batch of one to another kernel, which rounds differently, so a single run
    is multiplied twice. A run alone is then bit for bit the run inside any ensemble.
    """
    if len(left) > 1:
        return torch.bmm(left, right)
    return torch.bmm(left.expand(2, -1, -1), right.expand(2, -1, -1))[:1]


@dataclass(frozen=True)
class ScaleInvariantMLP:
    """Bias-free linear layers, each with BatchNorm (no affine) and ReLU, then a frozen layer.

    Every trained weight feeds a batch normalisation, so the loss does not change when a
    layer's weights are multiplied by a positive number. The last layer is frozen at a random
    direction with a fixed Frobenius norm; otherwise its growth would rescale the logits.

    Source: Lobacheva et al. 2021 (arXiv 2106.15739), section 3, with dense layers.

    Attributes:
        widths: input width, hidden widths, number of classes; e.g. ``(64, 64, 64, 10)``.
        last_layer_norm: Frobenius norm of the frozen last layer.
        norm_eps: epsilon of the batch normalisation. Not 0, which torch rejects in training;
            small enough that the loss stays invariant to float32 rounding.
    """

    widths: tuple[int, ...]
    last_layer_norm: float = 10.0
    norm_eps: float = 1e-12

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes (out, in) of the trained, scale-invariant layers."""
        hidden = self.widths[:-1]
        return [(n_out, n_in) for n_in, n_out in pairwise(hidden)]

    @property
    def n_weights(self) -> int:
        """Number of trained weights."""
        return sum(n_out * n_in for n_out, n_in in self.shapes)

    def initialise(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw one network.

        Args:
            generator: source of all randomness of the initialisation.

        Returns:
            The trained weights, flat, (n_weights,); uniform in +-1/sqrt(in) per layer, torch's
            default. And the frozen last layer, (n_classes, last hidden width).
        """
        layers = [
            (2 * torch.rand(n_out * n_in, generator=generator) - 1) / math.sqrt(n_in)
            for n_out, n_in in self.shapes
        ]
        last = torch.randn(self.widths[-1], self.widths[-2], generator=generator)
        return torch.cat(layers), last * (self.last_layer_norm / last.norm())

    def unpack(self, weights: Tensor) -> list[Tensor]:
        """View flat weights (n_runs, n_weights) as one (n_runs, out, in) tensor per layer."""
        sizes = [n_out * n_in for n_out, n_in in self.shapes]
        return [
            part.view(-1, *shape)
            for part, shape in zip(torch.split(weights, sizes, dim=1), self.shapes, strict=True)
        ]

    def logits(self, layers: list[Tensor], last: Tensor, inputs: Tensor) -> Tensor:
        """Evaluate every network on its own batch, BatchNorm in training mode.

        Activations are laid out (run, feature, example), so that the pair (run, feature) is a
        channel of one ordinary batch normalisation and all runs share its fused kernel.

        Args:
            layers: trained weights, one (n_runs, out, in) tensor per layer.
            last: frozen last layers, (n_runs, n_classes, in).
            inputs: (n_runs, n_examples, n_pixels).

        Returns:
            Logits, (n_runs, n_classes, n_examples).
        """
        n_runs, n_examples, _ = inputs.shape
        hidden = inputs.transpose(1, 2)
        for layer in layers:
            product = _products(layer, hidden).view(1, -1, n_examples)
            normal = F.batch_norm(product, None, None, training=True, eps=self.norm_eps)
            hidden = F.relu(normal).view(n_runs, -1, n_examples)
        return _products(last, hidden)

    def population_logits(
        self, layers: list[Tensor], last: Tensor, population: Tensor, inputs: Tensor
    ) -> Tensor:
        """Evaluate every network with BatchNorm statistics taken over a whole population.

        Args:
            layers: trained weights, one (n_runs, out, in) tensor per layer.
            last: frozen last layers, (n_runs, n_classes, in).
            population: inputs that define mean and variance, (n_population, n_pixels).
            inputs: inputs to classify, (n_examples, n_pixels).

        Returns:
            Logits, (n_runs, n_classes, n_examples).
        """
        n_runs, n_population = len(last), len(population)
        hidden = torch.cat([population, inputs]).T.expand(n_runs, -1, -1)
        for layer in layers:
            product = _products(layer, hidden)
            variance, mean = torch.var_mean(product[:, :, :n_population], dim=2, correction=0)
            normal = F.batch_norm(
                product.view(1, -1, product.shape[2]),
                mean.flatten(),
                variance.flatten(),
                training=False,
                eps=self.norm_eps,
            )
            hidden = F.relu(normal).view_as(product)
        return _products(last, hidden[:, :, n_population:])


def build(name: str, data: ImageData) -> ScaleInvariantMLP:
    """Build an architecture for a data set.

    Args:
        name: ``mlp`` with two hidden layers of 64, or ``mlp-64-128-64`` with the hidden widths
            given.
        data: decides input width and number of classes.

    Raises:
        ValueError: if no architecture has that name.
    """
    kind, *widths = name.split("-")
    if kind != "mlp" or not all(w.isdecimal() and 0 < int(w) <= LARGEST_WIDTH for w in widths):
        raise ValueError(
            "model must be mlp or mlp-WIDTH-WIDTH... "
            f"with widths up to {LARGEST_WIDTH}, got {name!r}"
        )
    hidden = tuple(int(width) for width in widths) or (64, 64)
    return ScaleInvariantMLP((math.prod(data.image_shape), *hidden, data.n_classes))
