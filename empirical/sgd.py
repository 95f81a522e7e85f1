"""One step of SGD for many runs at once, with every scalar that the exact laws need.

``b' = m b + grad + lam w``, ``w' = w - eta b'``, as in torch, for rate eta, coupled decay lam and
momentum m of each run. Norms, angles and products are over scale-invariant weights only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from empirical.layout import Layout
from empirical.recipe import Recipe
from theory.trajectory import RunSpec

PLAIN = ("weight_norm", "effective_grad_norm", "angular_update")
GENERAL = (*PLAIN, "effective_update_norm", "radial_update")


class SGD:
    """Learning rates, decays and momentum of the active runs, and their step.

    Args:
        runs: the active runs.
        recipe: clipping, fixed norm, schedule.
        invariant: layout of the scale-invariant weights, the first in the flat tensor.
        weights: flat trained weights, (n_runs, n_weights); changed in place by each step.
        sphere_norm: norm that ``fixed_norm`` keeps, (n_runs,), float64.
        momentum_buffer: b, like the weights; None for runs without momentum.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        recipe: Recipe,
        invariant: Layout,
        weights: Tensor,
        *,
        sphere_norm: Tensor,
        momentum_buffer: Tensor | None,
    ) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, device=weights.device, dtype=weights.dtype).view(-1, 1)

        growing = recipe.schedule == "growing"
        self.weights, self.invariant, self.recipe = weights, invariant, recipe
        self.weight_decay = column([0.0 if growing else run.weight_decay for run in runs])
        self.momentum = column([run.momentum for run in runs])
        self.buffer, self.sphere_norm = momentum_buffer, sphere_norm
        self.norm = norms(invariant.split(weights))

    @property
    def general(self) -> bool:
        """Whether the update is not the gradient: with momentum or clipping."""
        return self.buffer is not None or self.recipe.clip > 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: Tensor) -> list[Tensor]:
        """Move the weights.

        Args:
            gradient: of the loss, (n_runs, n_weights); overwritten.
            rate: learning rates, (n_runs, 1).

        Returns:
            The scalars ``PLAIN``, or ``GENERAL`` with momentum or clipping: rho, g and theta, then
            ``|z|`` and ``<u, z>`` with ``u = w/rho`` and ``z = rho (b' - lam w)``; (n_runs,) each.
        """
        norm, weights = self.norm, self.weights
        n_invariant = self.invariant.n_weights
        g = norm * norms(self.invariant.split(gradient))
        direction = weights[:, :n_invariant] / norm[:, None].to(weights.dtype)
        if self.recipe.clip:
            gradient.mul_(self._clipping(norm, g, rate))
        if self.buffer is not None:
            gradient.add_(self.buffer * self.momentum)
        extra = self._update_scalars(gradient, norm) if self.general else []
        gradient.addcmul_(weights, self.weight_decay)
        if self.buffer is not None:
            self.buffer.copy_(gradient)
        weights.addcmul_(gradient, rate, value=-1)
        self.norm = norms(self.invariant.split(weights))
        if self.recipe.fixed_norm:
            weights[:, :n_invariant].mul_((self.sphere_norm / self.norm)[:, None].to(weights.dtype))
            self.norm = norms(self.invariant.split(weights))
        moved = weights[:, :n_invariant] / self.norm[:, None].to(weights.dtype)
        chord = norms(self.invariant.split(moved.sub_(direction)))
        return [norm, g, 2 * torch.asin(chord / 2), *extra]

    def _clipping(self, norm: Tensor, g: Tensor, rate: Tensor) -> Tensor:
        """Factor on the gradient so that ``|grad| <= sqrt(2 C lam/eta) rho``, (n_runs, 1)."""
        allowed = (2 * self.recipe.clip * self.weight_decay / rate).sqrt().double()
        return (allowed * (norm**2 / g)[:, None]).clamp(max=1).to(rate.dtype)

    def _update_scalars(self, update: Tensor, norm: Tensor) -> list[Tensor]:
        """``|z|`` and ``<u, z>`` of an update ``b' - lam w``."""
        parts, weights = self.invariant.split(update), self.invariant.split(self.weights)
        radial = sum_over_rows(weights, parts, lambda w, z: (w * z).sum(dim=2).double())
        return [norm * norms(parts), radial]


def norms(layers: Sequence[Tensor]) -> Tensor:
    """Norm of each run's weights from its layers (n_runs, out, ...), float64, (n_runs,).

    Rows are summed in float32, their squares in float64: as exact as a sum in float64, for rounding
    averages out over rows, and free of a copy in float64.
    """
    return sum_over_rows(
        layers, layers, lambda row, _: torch.linalg.vector_norm(row, dim=2).double().square()
    ).sqrt()


def sum_over_rows(
    left: Sequence[Tensor], right: Sequence[Tensor], of: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Sum a function of rows (n_runs, out, n) -> (n_runs, out) over rows and layers, (n_runs,)."""
    pairs = zip(left, right, strict=True)
    parts = [of(_rows(a), _rows(b)).sum(dim=1) for a, b in pairs]
    return torch.stack(parts, dim=1).sum(dim=1)  # along memory, however many runs there are


def _rows(layer: Tensor) -> Tensor:
    """View a layer as (n_runs, out, n); a vector is one row."""
    if layer.ndim > 2:
        return layer.flatten(2)
    return layer[:, None] if layer.ndim == 2 else layer[:, None, None]
