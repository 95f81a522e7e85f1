r"""What one optimizer step does to the scale-invariant weights, as a few sums of squares.

All of ``rho``, ``g`` and ``theta`` follow from norms of four vectors, taken around the step:
the weights w, the gradient, the weights w' after the step, and the part of the step that is not
decay, ``d = a w - w'``, with ``a = 1 - eta lam``. The angle is that between ``a w`` and ``w'``,

    4 sin^2(theta/2) = (|d|^2 - (|w'| - a |w|)^2) / (a |w| |w'|),

which does not cancel: without momentum d is tangential, and decay is not part of it.
On the device there is no more than copies and sums; the rest is done later, in float64. Weights
and gradients are read through ``.data``, which keeps them out of autograd at a quarter of the cost
of ``torch.no_grad``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from empirical.monitor.sharding import Reduce, local
from empirical.monitor.update_rule import momentum_coefficients
from theory.arrays import FloatArray

WEIGHTS, GRADIENT, MOVED, STEP, UPDATE = range(5)
# Entries that are added up in float32; the sums of these rows are added in float64.
ROW = 512
ORDINARY = (Tensor, torch.nn.Parameter)


class StepSums:
    """Flat copies of weights and gradients around a step, and their norms.

    It needs memory for four copies of the weights, five with momentum, in float32 (float64 for
    weights in float64).

    Args:
        weights: the scale-invariant weights.
        heavy: also predict the update of SGD with momentum.
        reduce: adds squared norms up over processes, see ``sharding.over_ranks``.

    Attributes:
        n_weights: number of real weights, over all processes.

    Raises:
        ValueError: if the weights lie on several devices.
    """

    def __init__(self, weights: Sequence[Tensor], *, heavy: bool, reduce: Reduce | None) -> None:
        devices = sorted({str(weight.device) for weight in weights})
        if len(devices) > 1:
            raise ValueError(f"scale-invariant weights lie on several devices: {devices}")
        self.weights, self.heavy, self._reduce = list(weights), heavy, reduce
        self._ordinary = all(type(w) in ORDINARY and not w.is_complex() for w in weights)
        held = [local(weight) for weight in weights]
        dtype = torch.float32
        for one in held:
            dtype = torch.promote_types(dtype, one.dtype)
        sizes = [one.numel() for one in held]
        shape = (5 if heavy else 4, math.ceil(max(sum(sizes), 1) / ROW), ROW)
        self._slots = torch.zeros(shape, dtype=dtype, device=held[0].device)
        self._flat = list(self._slots)
        self._parts = [
            [
                part.view(one.shape)
                for part, one in zip(slot.view(-1)[: sum(sizes)].split(sizes), held, strict=True)
            ]
            for slot in self._slots
        ]
        n = torch.tensor(sum(sizes), device=held[0].device)
        self.n_weights = int(reduce(n) if reduce else n)

    @property
    def sharded(self) -> bool:
        """Whether other processes hold parts of the weights."""
        return self._reduce is not None

    def before(self, group: Mapping[str, Any], state: Mapping[Any, Mapping[str, Any]]) -> bool:
        """Keep weights and gradient, and the update to come.

        Args:
            group: the optimizer's param_group of these weights.
            state: the optimizer's state.

        Returns:
            Whether every weight has a gradient; an optimizer leaves those without one alone.
        """
        torch._foreach_copy_(self._parts[WEIGHTS], self._here(self.weights))
        whole = self._gather(GRADIENT, [weight.grad for weight in self.weights])
        if self.heavy:
            # the state makes an entry for whatever is looked up in brackets
            buffers = [state.get(weight, {}).get("momentum_buffer") for weight in self.weights]
            complete = self._gather(UPDATE, buffers)
            alpha, beta, gamma = momentum_coefficients(group)
            update = self._flat[UPDATE].mul_(beta).add_(self._flat[GRADIENT], alpha=alpha)
            if gamma:
                update.add_(self._flat[WEIGHTS], alpha=gamma)
            if not complete and group.get("dampening"):
                self._undampened(buffers)
        return whole

    def _undampened(self, buffers: Sequence[Tensor | None]) -> None:
        """Predict the gradient itself of weights without momentum: their first is not dampened."""
        parts = zip(self._parts[UPDATE], self._parts[GRADIENT], buffers, strict=True)
        for update, gradient, buffer in parts:
            if buffer is None:
                update.copy_(gradient)

    def after(self, shrink: float | Tensor) -> Tensor:
        """Compare the weights with those before the step.

        Args:
            shrink: a, or a float64 scalar on the device.

        Returns:
            Norms of w, gradient, w' and d; with momentum of the update ``z/rho`` and its product
            with w too; float64, (4,) or (6,).
        """
        torch._foreach_copy_(self._parts[MOVED], self._here(self.weights))
        weights, moved = self._flat[WEIGHTS], self._flat[MOVED]
        if isinstance(shrink, Tensor):
            torch.sub(moved, weights * shrink, out=self._flat[STEP])
        else:
            torch.sub(moved, weights, alpha=shrink, out=self._flat[STEP])
        rows = torch.linalg.vector_norm(self._slots, dim=2)
        norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        if self._reduce:
            norms = self._reduce(norms.square()).sqrt()
        if not self.heavy:
            return norms
        radial = (weights * self._flat[UPDATE]).sum(dim=1).sum(dtype=torch.float64)
        return torch.cat([norms, (self._reduce(radial) if self._reduce else radial)[None]])

    def layers(self) -> Tensor:
        """Norms of weights and gradient of each tensor before the step, (2, n_tensors)."""
        parts = [*self._parts[WEIGHTS], *self._parts[GRADIENT]]
        norms = torch.stack([torch.linalg.vector_norm(part) for part in parts]).double()
        if self._reduce:
            norms = self._reduce(norms.square()).sqrt()
        return norms.view(2, -1)

    def rows(self, chosen: Sequence[int]) -> Tensor:
        """Norms of w, gradient, w' and d of each slice along the first dimension, (4, n_rows).

        To be called after ``after``.

        Args:
            chosen: which tensors, by their place among the weights.
        """
        slots = (WEIGHTS, GRADIENT, MOVED, STEP)
        return torch.stack(
            [
                torch.cat([_row_norms(self._parts[slot][i]) for i in chosen]).double()
                for slot in slots
            ]
        )

    def row_cosines(self) -> list[float]:
        """Root mean square cosine of gradient and weights over the slices of each tensor.

        It is 0 where each slice is scale-invariant alone; NaN for vectors and without a gradient.
        """
        found = []
        for weight, gradient in zip(self._parts[WEIGHTS], self._parts[GRADIENT], strict=True):
            if weight.ndim < 2:
                found.append(math.nan)
                continue
            products = (weight * gradient).flatten(1).sum(dim=1)
            lengths = _row_norms(weight) * _row_norms(gradient)
            found.append(float((products.square().sum() / lengths.square().sum()).sqrt()))
        return found

    def _here(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """What this process holds of tensors that are all there."""
        if self._ordinary:
            return [tensor.data for tensor in tensors]
        return [local(tensor) for tensor in tensors]

    def _gather(self, slot: int, tensors: Sequence[Tensor | None]) -> bool:
        """Copy tensors into a slot, zeros for those that are missing; says if all are there."""
        if all(tensor is not None and tensor.layout is torch.strided for tensor in tensors):
            torch._foreach_copy_(self._parts[slot], self._here(tensors))  # type: ignore[arg-type]
            return True
        for part, tensor in zip(self._parts[slot], tensors, strict=True):
            part.zero_() if tensor is None else part.copy_(local(tensor))
        return all(tensor is not None for tensor in tensors)


def _row_norms(tensor: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return norms


def turned(rho: FloatArray, moved: FloatArray, step: FloatArray, a: FloatArray) -> FloatArray:
    """Angle between ``a w`` and ``w'`` from the norms of w, w' and d, rad."""
    with np.errstate(divide="ignore", invalid="ignore"):
        chord = (step**2 - (moved - a * rho) ** 2) / (a * rho * moved)
        return np.asarray(2 * np.arcsin(np.sqrt(np.clip(chord, 0, 4)) / 2))


def series(
    norms: FloatArray, rate: FloatArray, decay: FloatArray, *, plain: bool, decoupled: bool
) -> dict[str, FloatArray]:
    """Trajectory from the sums of each recorded step.

    Args:
        norms: what ``StepSums.after`` returned, (n_records, 4) or (n_records, 6).
        rate: eta of each recorded step, (n_records,).
        decay: lam of each recorded step, (n_records,).
        plain: whether the update is the gradient.
        decoupled: whether a is ``1 - eta lam``, else 1.

    Returns:
        Quantities of the vocabulary by name, (n_records,) each; for an update that is not the
        gradient also ``z = rho (a w - w') / eta``, as predicted for SGD with momentum.
    """
    rho, grad, moved, step = norms.T[:4]
    a = 1 - rate * decay if decoupled else np.ones_like(rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "weight_norm": rho,
            "next_weight_norm": moved,
            "effective_grad_norm": rho * grad,
            "angular_update": turned(rho, moved, step, a),
            "effective_lr": rate / rho**2,
        }
        if norms.shape[1] > UPDATE:
            found |= {"effective_update_norm": rho * norms[:, UPDATE], "radial_update": norms[:, 5]}
        elif not plain:
            along = (a**2 * rho**2 + step**2 - moved**2) / (2 * a)
            moves = rate > 0
            found["effective_update_norm"] = np.where(moves, rho * step / rate, 0.0)
            found["radial_update"] = np.where(moves, along / rate, 0.0)
    return found
