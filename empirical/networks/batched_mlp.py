"""The scale-invariant MLP for many runs at once: one batched product a layer for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from empirical.device.precision import at_least_float32
from empirical.networks.architectures import LAST_LAYER_NORM
from empirical.networks.weight_layout import Layout


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
    last_layer_norm: float = LAST_LAYER_NORM
    norm_eps: float = 1e-12

    @property
    def layers(self) -> Layout:
        """Trained layers (out, in), all scale-invariant."""
        shapes = [(n_out, n_in) for n_in, n_out in pairwise(self.widths[:-1])]
        return Layout(tuple(f"layer{i + 1}" for i in range(len(shapes))), tuple(shapes))

    @property
    def invariant(self) -> Layout:
        """The layers that are scale-invariant: all."""
        return self.layers

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
        last = torch.randn(self.widths[-1], self.widths[-2], generator=generator)
        return torch.cat(layers), last.flatten() * (self.last_layer_norm / last.norm())

    def losses(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Mean losses; see ``empirical.networks.by_name.Network``.

        Activations are laid out (run, feature, example), so that the pair (run, feature) is a
        channel of one ordinary batch normalisation and all runs share its fused kernel.
        """
        n_runs, n_examples = labels.shape
        hidden = images.flatten(2).transpose(1, 2)
        for layer in leaves:
            product = _products(layer, hidden).view(1, -1, n_examples)
            normal = F.batch_norm(product, None, None, training=True, eps=self.norm_eps)
            hidden = F.relu(normal).view(n_runs, -1, n_examples)
        logits = at_least_float32(_products(self._last(frozen), hidden))
        return F.cross_entropy(logits, labels, reduction="none").mean(dim=1)

    def gradients(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor, *, out: Tensor
    ) -> Tensor:
        """Mean losses and their gradients; see ``empirical.networks.by_name.Network``."""
        own = [leaf.detach().requires_grad_() for leaf in leaves]
        losses = self.losses(own, frozen, images, labels)
        parts = torch.autograd.grad(losses.sum(), own)
        torch.cat([part.flatten(1) for part in parts], dim=1, out=out)
        return losses.detach()

    def test_logits(
        self, leaves: list[Tensor], frozen: Tensor, population: Tensor, images: Tensor
    ) -> Tensor:
        """Logits with the population's statistics; see ``empirical.networks.by_name.Network``."""
        n_runs, n_population = len(frozen), len(population)
        hidden = torch.cat([population.flatten(1), images.flatten(1)]).T.expand(n_runs, -1, -1)
        for layer in leaves:
            product = _products(layer, hidden)
            variance, mean = torch.var_mean(product[:, :, :n_population], dim=2, correction=0)
            statistics, flat = (mean.flatten(), variance.flatten()), product.flatten(0, 1)[None]
            normal = F.batch_norm(flat, *statistics, training=False, eps=self.norm_eps)
            hidden = F.relu(normal).view_as(product)
        return _products(self._last(frozen), hidden[:, :, n_population:])

    def _last(self, frozen: Tensor) -> Tensor:
        return frozen.view(len(frozen), self.widths[-1], self.widths[-2])
