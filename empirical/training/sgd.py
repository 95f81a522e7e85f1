"""One step of SGD for many runs at once, with every scalar that the exact laws need.

``b' = m b + grad + lam w``, ``w' = w - eta b'``, as in torch, for rate eta, coupled decay lam and
momentum m of each run. Norms, angles and products are over scale-invariant weights only.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from empirical.networks.weight_layout import Layout
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

PLAIN = ("weight_norm", "effective_grad_norm", "angular_update")
ROW = 64  # weights that are summed in float32 before float64 takes over
GENERAL = (*PLAIN, "effective_update_norm", "radial_update")


class SGD:
    """Learning rates, decays and momentum of the active runs, and their step.

    All it works on stays in place from step to step, so that a step can be recorded and replayed.
    On a CPU a compiled kernel does the step in one pass; elsewhere torch does, and the numbers are
    equal to rounding.

    Args:
        runs: the active runs.
        recipe: clipping, fixed norm, schedule.
        invariant: layout of the scale-invariant weights, the first in the flat tensor.
        weights: flat trained weights, (n_runs, >= n_weights), zeros after the last; changed in
            place by each step.
        sphere_norm: norm that ``fixed_norm`` keeps, (n_runs,), float64.
        momentum_buffer: b, like the weights; None for runs without momentum.

    Attributes:
        fused: whether to use the kernel on a CPU.
    """

    fused = True

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
        self.gradient, self._scratch = torch.zeros_like(weights), torch.empty_like(weights)
        self.norm = flat_norms(weights, invariant)
        self._kernel = self._on_cpu() if self.fused and weights.device.type == "cpu" else None

    @property
    def general(self) -> bool:
        """Whether the update is not the gradient: with momentum or clipping."""
        return self.buffer is not None or self.recipe.clip > 0

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the scalars of a step."""
        return GENERAL if self.general else PLAIN

    @torch.no_grad()
    def step(self, rate: Tensor) -> list[Tensor]:
        """Move the weights along ``gradient``, which holds that of the loss and stays as it is.

        Args:
            rate: learning rates, (n_runs, 1).

        Returns:
            The scalars ``PLAIN``, or ``GENERAL`` with momentum or clipping: rho, g and theta, then
            ``|z|`` and ``<u, z>`` with ``u = w/rho`` and ``z = rho (b' - lam w)``; (n_runs,) each.
        """
        if self._kernel is not None:
            return self._kernel(rate)
        norm, weights = self.norm.clone(), self._invariant_part(self.weights)
        g = norm * flat_norms(self.gradient, self.invariant)
        direction = weights / _as_column(norm, weights)
        extra = self._move(norm, g, rate)
        self.norm.copy_(flat_norms(self.weights, self.invariant))
        if self.recipe.fixed_norm:
            weights.mul_(_as_column(self.sphere_norm / self.norm, weights))
            self.norm.copy_(flat_norms(self.weights, self.invariant))
        turned = direction.addcdiv_(weights, _as_column(self.norm, weights), value=-1)
        chord = flat_norms(turned, self.invariant)
        return [norm, g, 2 * torch.asin(chord / 2), *extra]

    def _on_cpu(self) -> Callable[[Tensor], list[Tensor]]:
        """The step as one call of a kernel that works on the tensors' own memory."""
        from empirical.training import sgd_kernel

        scalars = torch.empty(len(self.recorded), len(self.weights), dtype=torch.float64)
        sphere = self.sphere_norm if self.recipe.fixed_norm else self.sphere_norm[:0]
        weights, gradient, decay = self.weights.numpy(), self.gradient.numpy(), self.weight_decay
        rest = (sphere.numpy(), self.invariant.n_weights, scalars.numpy())
        rows = [*scalars]

        def plain(rate: Tensor) -> list[Tensor]:
            sgd_kernel.plain_step(weights, gradient, rate.numpy(), decay.numpy(), *rest)
            return rows

        def general(rate: Tensor) -> list[Tensor]:
            numbers = rate.numpy(), decay.numpy(), momentum.numpy(), self.recipe.clip
            sgd_kernel.general_step(weights, gradient, buffer.numpy(), *numbers, *rest)
            return rows

        momentum = self.momentum
        buffer = torch.zeros_like(self.weights) if self.buffer is None else self.buffer
        return general if self.general else plain

    def _move(self, norm: Tensor, g: Tensor, rate: Tensor) -> list[Tensor]:
        """Update momentum and weights; return what ``GENERAL`` has beyond ``PLAIN``."""
        update = self.gradient
        if self.recipe.clip:
            factor = self._clipping(norm, g, rate)
            update = torch.mul(update, factor, out=self._scratch)
        if self.buffer is not None:
            update = self.buffer.mul_(self.momentum).add_(update)
        extra = self._update_scalars(update, norm) if self.general else []
        into = self._scratch if self.buffer is None else self.buffer
        torch.addcmul(update, self.weights, self.weight_decay, out=into)
        self.weights.addcmul_(into, rate, value=-1)
        return extra

    def _clipping(self, norm: Tensor, g: Tensor, rate: Tensor) -> Tensor:
        """Factor on the gradient so that ``|grad| <= sqrt(2 C lam/eta) rho``, (n_runs, 1)."""
        allowed = (2 * self.recipe.clip * self.weight_decay / rate).sqrt().double()
        return (allowed * (norm**2 / g)[:, None]).clamp(max=1).to(rate.dtype)

    def _update_scalars(self, update: Tensor, norm: Tensor) -> list[Tensor]:
        """``|z|`` and ``<u, z>`` of an update ``b' - lam w``."""
        radial = flat_products(self.weights, update, self.invariant)
        return [norm * flat_norms(update, self.invariant), radial]

    def _invariant_part(self, flat: Tensor) -> Tensor:
        """View of the scale-invariant weights, (n_runs, n_invariant)."""
        return flat[:, : self.invariant.n_weights]


def _as_column(values: Tensor, like: Tensor) -> Tensor:
    return values[:, None].to(like.dtype)


def flat_norms(flat: Tensor, layout: Layout) -> Tensor:
    """Norm of each run's tensors of a layout, which lie first in its row, float64, (n_runs,)."""
    if flat.device.type == "cpu":
        return norms(_pieces(flat, layout))
    return norms_at_once(flat, layout)


def _pieces(flat: Tensor, layout: Layout) -> list[Tensor]:
    """View the tensors of a layout as rows of one length across them, and what is left over.

    A sum over all weights need not know the layers: fewer, larger operations.
    """
    n_weights = layout.n_weights
    whole = n_weights - n_weights % ROW
    rows = flat[:, :whole].view(len(flat), whole // ROW, ROW)
    if whole == n_weights:
        return [rows]
    rest = flat[:, whole:n_weights]
    return [rows, rest] if whole else [rest]


def norms_at_once(flat: Tensor, layout: Layout) -> Tensor:
    """The same where a kernel for each layer takes longer than a copy of all in float64."""
    weights = flat[:, : layout.n_weights]
    norm: Tensor = torch.linalg.vector_norm(weights, dim=1, dtype=torch.float64)
    return norm


def flat_products(left: Tensor, right: Tensor, layout: Layout) -> Tensor:
    """Scalar products of each run's tensors of a layout, float64, (n_runs,)."""
    if left.device.type == "cpu":
        parts = _pieces(left, layout), _pieces(right, layout)
        return sum_over_rows(*parts, lambda w, z: (w * z).sum(dim=2).double())
    return products_at_once(left, right, layout)


def products_at_once(left: Tensor, right: Tensor, layout: Layout) -> Tensor:
    """The same in float64 throughout; see ``norms_at_once``."""
    part = slice(0, layout.n_weights)
    return (left[:, part].double() * right[:, part]).sum(dim=1)


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
    if len(parts) == 1:
        return parts[0]
    return torch.stack(parts, dim=1).sum(dim=1)  # along memory, however many runs there are


def _rows(layer: Tensor) -> Tensor:
    """View a layer as (n_runs, out, n); a vector is one row."""
    if layer.ndim > 2:
        return layer.flatten(2)
    return layer[:, None] if layer.ndim == 2 else layer[:, None, None]
