"""MLPs of many runs at once: one batched product a layer for all of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from empirical.device.alignment import ENTRIES
from empirical.device.precision import at_least_float32
from empirical.networks.weight_layout import Layout

aten = torch.ops.aten
Affine = tuple[Tensor | None, Tensor | None]


def products(left: Tensor, right: Tensor) -> Tensor:
    """Batched matrix product whose rounding does not depend on the number of runs.

    torch hands a batch of one to another kernel, which rounds differently, so a single run
    is multiplied twice. Where matrices would not all be aligned, they get rows and columns of
    zeros. A run alone is then bit for bit the run inside any ensemble.
    """
    if left.device.type == "cpu" and not _all_aligned(left, right):
        n = right.shape[2]
        return _multiply(_with_zeros(left), _with_zeros(right))[:, : left.shape[1], :n].contiguous()
    return _multiply(left, right)


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    if len(left) > 1:
        return torch.bmm(left, right)
    return torch.bmm(left.expand(2, -1, -1), right.expand(2, -1, -1))[:1]


def _all_aligned(left: Tensor, right: Tensor) -> bool:
    """Whether every run's matrices lie at aligned places, in the product and on the way back."""
    (m, k), n = left.shape[1:], right.shape[2]
    places = (m * k, k * n, m * n, left.stride(0), right.stride(0))
    return not any(place % ENTRIES for place in places)


def _with_zeros(matrices: Tensor) -> Tensor:
    """Rows and columns of zeros, to whole registers; what is transposed stays so."""
    rows, columns = (-size % ENTRIES for size in matrices.shape[1:])
    if matrices.stride(1) == 1:
        return F.pad(matrices.transpose(1, 2), (0, rows, 0, columns)).transpose(1, 2)
    return F.pad(matrices, (0, columns, 0, rows))


class _Passed(NamedTuple):
    """What one layer leaves behind for the way back."""

    below: Tensor
    product: Tensor
    affine: Affine
    statistics: list[Tensor]


class BatchedMLP:
    """Bias-free linear layers, each with BatchNorm and ReLU, then the last layer.

    Activations are laid out (run, feature, example), so that the pair (run, feature) is a
    channel of one ordinary batch normalisation and all runs share its fused kernel.

    Attributes:
        layers: trained tensors: the layers' weights; where more is trained, scale and shift of
            each normalisation, then the last layer.
        invariant: the layers' weights.
        frozen: the last layer, unless it is trained.
        norm_eps: epsilon of the batch normalisations.
    """

    layers: Layout
    invariant: Layout
    frozen: Layout
    norm_eps: float

    separate = False  # a pass draws nothing and leaves nothing behind

    def begin(self, seed: int, step: int) -> None:
        """Nothing is drawn."""

    def state(self) -> dict[str, Tensor]:
        """No buffers."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """No buffers."""

    def losses(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Mean losses; see ``empirical.networks.by_name.Network``."""
        weights, affine, last = self._in_order(leaves, frozen)
        n_runs, n_examples = labels.shape
        hidden = images.flatten(2).transpose(1, 2)
        for weight, (scale, shift) in zip(weights, affine, strict=True):
            product = products(weight, hidden).view(1, -1, n_examples)
            normal = F.batch_norm(product, None, None, scale, shift, True, eps=self.norm_eps)
            hidden = F.relu(normal).view(n_runs, -1, n_examples)
        logits = at_least_float32(products(last, hidden))
        return F.cross_entropy(logits, labels, reduction="none").mean(dim=1)

    def gradients(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor, *, out: Tensor
    ) -> Tensor:
        """Mean losses and their gradients; see ``empirical.networks.by_name.Network``."""
        if images.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            return self._gradients_by_hand(leaves, frozen, images, labels, out)
        own = [leaf.detach().requires_grad_() for leaf in leaves]
        losses = self.losses(own, frozen, images, labels)
        parts = torch.autograd.grad(losses.sum(), own)
        torch.cat([part.flatten(1) for part in parts], dim=1, out=out[:, : self.layers.n_weights])
        return losses.detach()

    def _in_order(
        self, leaves: list[Tensor], frozen: Tensor
    ) -> tuple[list[Tensor], list[Affine], Tensor]:
        """The layers' weights; scale and shift of their normalisations, or None; the last layer."""
        depth = len(self.invariant.names)
        *tensors, last = *leaves, *self.frozen.split(frozen)
        flat = [tensor.flatten() for tensor in tensors[depth:]]
        affine: list[Affine] = [*zip(flat[::2], flat[1::2], strict=True)] or [(None, None)] * depth
        return tensors[:depth], affine, last

    def _gradients_by_hand(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor, out: Tensor
    ) -> Tensor:
        """The same, bit for bit, by the operations that autograd chooses.

        Of small networks, autograd's own work takes as long as many of the operations.
        """
        weights, affine, last = self._in_order(leaves, frozen)
        n_runs, n_examples = labels.shape
        hidden, passed = images.flatten(2).transpose(1, 2), []
        for weight, own in zip(weights, affine, strict=True):
            product = products(weight, hidden).view(1, -1, n_examples)
            normal, *statistics = aten.native_batch_norm(
                product, *own, None, None, True, 0.0, self.norm_eps
            )
            passed.append(_Passed(hidden, product, own, statistics))
            hidden = normal.relu_().view(n_runs, -1, n_examples)
        log_p = products(last, hidden).log_softmax(dim=1)
        slope = torch.zeros_like(log_p).scatter_(1, labels[:, None], -1 / n_examples)
        slope = aten._log_softmax_backward_data(slope, log_p, 1, log_p.dtype)
        self._backward(slope, hidden, passed, [*weights[1:], last], self.layers.split(out))
        return F.nll_loss(log_p, labels, reduction="none").mean(dim=1)

    def _backward(
        self,
        slope: Tensor,
        hidden: Tensor,
        passed: list[_Passed],
        above: list[Tensor],
        parts: list[Tensor],
    ) -> None:
        """Write the gradients into ``parts``, from the slope of the loss in the logits.

        Args:
            slope: of the loss in the logits, (n_runs, n_classes, n_examples).
            hidden: what enters the last layer, (n_runs, width, n_examples).
            passed: what the layers left behind.
            above: the weights that each layer's output is multiplied with.
            parts: gradients of all that is trained.
        """
        depth = len(passed)
        for part in parts[3 * depth :]:  # the last layer, where it is trained
            part.copy_(products(slope, hidden.transpose(1, 2)))
        mask = [True, *[len(parts) > depth] * 2]
        for i in reversed(range(depth)):
            below, product, (scale, _), statistics = passed[i]
            slope = products(above[i].transpose(1, 2), slope)
            slope = aten.threshold_backward(slope, hidden, 0).view_as(product)
            slope, *own = aten.native_batch_norm_backward(
                slope, product, scale, None, None, *statistics, True, self.norm_eps, mask
            )
            for part, found in zip(parts[depth + 2 * i :][:2], own, strict=False):
                part.copy_(found.view_as(part))
            slope = slope.view_as(hidden)
            parts[i].copy_(products(slope, below.transpose(1, 2)))
            hidden = below
