"""A private copy of a network whose weights can be scaled and whose outputs compared."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

# Weights move by this share of their size, so that a bias at zero shows its effect.
JITTER = 0.3
SMALLEST_JITTER = 0.1
EPS_SHRINK = 1e-6


@dataclass(frozen=True)
class Sensitivity:
    """What random cotangents say about each tensor; a row each, a column per tensor.

    Attributes:
        radial: ``<grad, w>``, the cotangent's product with ``d outputs / d ln(scale)``.
        grad_norm: norm of the gradient times the norm of the tensor.
        output_norm: norm of the outputs.
    """

    radial: Tensor
    grad_norm: Tensor
    output_norm: float


class Probe:
    """A copy of a network at weights close to its own, evaluated in training mode.

    It keeps buffers, random numbers and weights of the network untouched: every evaluation of the
    copy starts from the same buffers and the same random state, so that dropout drops the same.
    The copy computes in float64 if the network can, else in its own precision. Weights are moved
    by a random 30 %, and at least by 0.1 over the root of a row's length: invariance holds at any
    weights, and a bias that starts at zero would hide what it does.

    Raises:
        ValueError: if the network cannot be copied or gives no differentiable output.
    """

    def __init__(
        self, model: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any], *, seed: int
    ) -> None:
        self._seed = seed
        try:
            self._prepare(model, _as_double(tuple(inputs)), _as_double(dict(keywords)), double=True)
        except (RuntimeError, TypeError):
            self._prepare(model, tuple(inputs), dict(keywords), double=False)

    def _prepare(
        self, model: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any], *, double: bool
    ) -> None:
        """Copy the network, move its weights and evaluate it once."""
        self.double, self._inputs, self._keywords = double, inputs, keywords
        self._generator = Generator().manual_seed(self._seed)
        try:
            self.model = copy.deepcopy(model)
        except RuntimeError as error:
            raise ValueError(f"the model cannot be copied ({error})") from error
        if double:
            self.model.double()
        if not model.training:
            self.model.train()
        self.weights = {
            name: weight
            for name, weight in self.model.named_parameters()
            if weight.is_floating_point() and weight.numel()
        }
        self._move_weights()
        self._buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.outputs()

    @torch.no_grad()
    def _move_weights(self) -> None:
        for weight in self.weights.values():
            weight.requires_grad_()
            width = weight.numel() // weight.shape[0] if weight.ndim else 1
            size = float(weight.double().square().mean().sqrt())
            step = max(JITTER * size, SMALLEST_JITTER / width**0.5)
            noise = torch.randn(weight.shape, generator=self._generator, dtype=torch.float64)
            weight.add_((step * noise).to(weight))

    def outputs(self) -> Tensor:
        """All floating-point outputs, flat and one after another, (n_outputs,).

        Raises:
            ValueError: if there are none.
        """
        for name, buffer in self.model.named_buffers():
            buffer.data.copy_(self._buffers[name])
        devices = {weight.device for weight in self.weights.values() if weight.is_cuda}
        with torch.random.fork_rng(list(devices)):
            torch.manual_seed(self._seed)
            leaves = list(_float_tensors(self.model(*self._inputs, **self._keywords)))
        if not leaves:
            raise ValueError("the model's outputs hold no floating-point tensor")
        return torch.cat([leaf.flatten() for leaf in leaves])

    def sensitivity(self, names: Sequence[str], *, n_cotangents: int) -> Sensitivity:
        """Pull random normal cotangents of the outputs back to the named tensors.

        Raises:
            ValueError: if the outputs do not depend on any parameter.
        """
        outputs = self.outputs()
        if not outputs.requires_grad:
            raise ValueError("the model's outputs do not depend on its parameters")
        weights = [self.weights[name] for name in names]
        rows = []
        for _ in range(n_cotangents):
            cotangent = torch.randn(
                outputs.shape, generator=self._generator, dtype=torch.float64
            ).to(outputs)
            gradients = torch.autograd.grad(
                outputs, weights, cotangent, retain_graph=True, allow_unused=True
            )
            rows.append([_products(g, w) for g, w in zip(gradients, weights, strict=True)])
        table = torch.tensor(rows, dtype=torch.float64)
        return Sensitivity(table[..., 0], table[..., 1], float(outputs.detach().norm()))

    @torch.no_grad()
    def change(self, factors: Mapping[str, Tensor | float]) -> float:
        """Relative change of the outputs when tensors are multiplied by factors."""
        before = self.outputs()
        kept = {name: self.weights[name].detach().clone() for name in factors}
        for name, factor in factors.items():
            self.weights[name].mul_(factor)
        after = self.outputs()
        for name, weight in kept.items():
            self.weights[name].copy_(weight)
        return float((after - before).norm() / before.norm())

    def row_factors(self, name: str) -> Tensor:
        """Independent factors from 1/2 to 2, one for each slice along the first dimension."""
        weight = self.weights[name]
        shape = (weight.shape[0], *[1] * (weight.ndim - 1))
        exponents = 2 * torch.rand(shape, generator=self._generator, dtype=torch.float64) - 1
        return (2**exponents).to(weight)

    @contextmanager
    def without_eps(self) -> Iterator[None]:
        """Shrink the epsilon of every normalisation meanwhile, so that it hides no invariance."""
        held = [
            (module, name, value)
            for module in self.model.modules()
            for name, value in vars(module).items()
            if "eps" in name and isinstance(value, float)
        ]
        try:
            for module, name, value in held:
                setattr(module, name, EPS_SHRINK * value if self.double else value)
            yield
        finally:
            for module, name, value in held:
                setattr(module, name, value)


def _products(gradient: Tensor | None, weight: Tensor) -> tuple[float, float]:
    """``<grad, w>`` and ``|grad| |w|``; zeros for an unused tensor."""
    if gradient is None:
        return 0.0, 0.0
    gradient, weight = gradient.double().flatten(), weight.detach().double().flatten()
    return float(gradient @ weight), float(gradient.norm() * weight.norm())


def _float_tensors(value: Any) -> Iterator[Tensor]:
    """Floating-point tensors in nested tuples, lists, mappings and dataclass-like outputs."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        yield from (leaf for part in value.values() for leaf in _float_tensors(part))
    elif isinstance(value, list | tuple):
        yield from (leaf for part in value for leaf in _float_tensors(part))


def _as_double(value: Any) -> Any:
    """The same nested value with floating-point tensors in float64."""
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _as_double(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_as_double(part) for part in value)
    return value
