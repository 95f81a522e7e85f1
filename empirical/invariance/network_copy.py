"""A private copy of a network whose weights can be scaled and whose outputs compared."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from empirical.invariance.inputs import Inputs, as_double, copied, cut, over_tensors, to_double
from empirical.invariance.isolation import Attributes, RandomNumbers, remove_hooks, unwrap

# Weights move by this share of their size, so that a bias at zero shows its effect.
JITTER = 0.3
SMALLEST_JITTER = 0.1
EPS_SHRINK = 1e-6
MAX_DRAWS = 16
# Networks of more weights than this are evaluated in their own precision, for a tenth of the time.
LARGE = 2_000_000


@dataclass(frozen=True)
class Sensitivity:
    """What random cotangents say about each tensor; a row each, a column per tensor.

    Attributes:
        radial: ``<grad, w>``, the cotangent's product with ``d outputs / d ln(scale)``.
        grad_norm: norm of the gradient times the norm of the tensor.
        rows: largest ``|<grad, w>|`` of a slice along the first dimension.
        output_norm: norm of the outputs.
    """

    radial: Tensor
    grad_norm: Tensor
    rows: Tensor
    output_norm: float


@dataclass(frozen=True)
class Draw:
    """What a pass starts from: a seed of all random numbers, and the modules' attributes."""

    seed: int
    attributes: Attributes = field(repr=False)


class Probe:
    """A copy of a network at weights close to its own, evaluated in training mode.

    It leaves the network and the process as they are: every pass of the copy starts from the same
    weights, buffers, inputs, random numbers and attributes of modules (see ``isolation``), and
    the copy has no hooks but those that make its weights. Call it within ``isolation.quiet``.
    The copy computes in float64, if it is no large network, and on a few examples; in the other
    precision or on all examples where the network cannot. Weights are moved by a random 30 %, and
    at least by 0.1 over the root of a row's length: invariance holds at any weights, and a bias
    that starts at zero would hide what it does. Where a pass draws random numbers or counts, and
    leaves a tensor out (as layer drop does), further draws are added until each is seen, or there
    are 16.

    Args:
        model: the network.
        inputs: positional and keyword arguments of it.
        max_examples: cut a batch to so many.
        seed: of the random move, the cotangents and the draws.
        random: generators of the process.

    Attributes:
        model: the copy, unwrapped.
        weights: its parameters by name.
        trained: names of those that require a gradient in the network.
        double: whether it computes in float64.
        hooks: names of the hooks that the copy was made without.

    Raises:
        ValueError: if the network cannot be copied or evaluated, or gives no differentiable output.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        *,
        max_examples: int,
        seed: int,
        random: RandomNumbers,
    ) -> None:
        self._seed, self._random = seed, random
        model = unwrap(model)
        few = cut(inputs, max_examples)
        large = sum(weight.numel() for weight in model.parameters()) > LARGE
        batches = (few,) if few is inputs else (few, inputs)
        ways = [(batch, double) for batch in batches for double in (not large, large)]
        first_error: Exception | None = None
        for batch, double in ways:
            try:
                self._prepare(model, batch, double=double)
                return
            except RefusalError:
                raise
            except Exception as error:  # the user's own code may raise anything
                first_error = first_error or error
        said = describe_error(first_error)
        raise ValueError(
            f"the network cannot be evaluated on a copy of its inputs ({said})"
        ) from first_error

    def _prepare(self, model: nn.Module, inputs: Inputs, *, double: bool) -> None:
        """Copy the network, move its weights and evaluate it once."""
        self.double = double
        self._inputs: Inputs = as_double(inputs) if double else inputs
        self._generator = Generator().manual_seed(self._seed)
        try:
            self.model = _copy_of(model)
        except Exception as error:
            raise RefusalError(f"the model cannot be copied ({describe_error(error)})") from error
        self.hooks = remove_hooks(self.model)
        if double:
            self.model._apply(to_double)  # type: ignore[no-untyped-call]
        if not model.training:
            self.model.train()
        self.weights = {
            name: weight
            for name, weight in self.model.named_parameters()
            if (weight.is_floating_point() or weight.is_complex()) and weight.numel()
        }
        self.trained = {name for name, weight in self.weights.items() if weight.requires_grad}
        self._move_weights()
        self._held = [(t, t.detach().clone()) for t in self.weights.values()]
        self._buffers = [
            (part, name, buffer, buffer.detach().clone())
            for part in self.model.modules()
            for name, buffer in part.named_buffers(recurse=False)
        ]
        self._writes_weights = self._backward_only = False
        self.draws = [Draw(self._seed, Attributes(self.model))]
        self._usual: dict[int, Tensor] = {}
        self._first_pass()

    @torch.no_grad()
    def _move_weights(self) -> None:
        for weight in self.weights.values():
            weight.requires_grad_()
            flat = real(weight)
            width = flat.numel() // flat.shape[0] if flat.ndim else 1
            size = float(flat.double().square().mean().sqrt())
            step = max(JITTER * size, SMALLEST_JITTER / width**0.5)
            noise = torch.randn(flat.shape, generator=self._generator, dtype=torch.float64)
            flat.add_((step * noise).to(flat))

    def _first_pass(self) -> None:
        """See what a pass changes: weights, random numbers, attributes."""
        outputs = self.outputs()
        self._writes_weights = any(not torch.equal(t.detach(), kept) for t, kept in self._held)
        start = self.draws[0]
        self.varies = self._random.moved(start.seed) or not start.attributes.same()
        self._backward_only = self._hides_weights(outputs)

    def vary(self, unseen: list[str]) -> None:
        """Add draws that make tensors felt which no pass has felt so far.

        Args:
            unseen: their names; those that are seen now are taken out.
        """
        if not self.varies:
            return
        seed = self._seed
        self._leave_unseen(unseen, self.draws[0])
        while unseen and seed < self._seed + MAX_DRAWS:
            seed += 1
            draw = Draw(seed, Attributes(self.model))  # where the last pass left the counters
            if self._leave_unseen(unseen, draw):
                self.draws.append(draw)

    def _leave_unseen(self, names: list[str], draw: Draw) -> bool:
        """Take out the tensors that a draw's outputs feel; says whether there was one."""
        outputs = self.outputs(draw)
        found = self._gradients(outputs, names, torch.randn_like(outputs))
        self._put_back()
        left = [n for n, g in zip(names, found, strict=True) if g is None or not g.any()]
        felt = len(left) < len(names)
        names[:] = left
        return felt

    def outputs(self, draw: Draw | None = None) -> Tensor:
        """All floating-point outputs, flat and one after another, (n_outputs,).

        Raises:
            ValueError: if there are none.
        """
        draw = draw or self.draws[0]
        with torch.no_grad():
            for part, name, buffer, kept in self._buffers:
                part._buffers[name] = buffer.copy_(kept)
        draw.attributes.restore()
        self._random.seed(draw.seed)
        arguments, keywords = copied(self._inputs)
        leaves = list(_float_tensors(self.model(*arguments, **keywords)))
        if not leaves:
            raise RefusalError("the model's outputs hold no floating-point tensor")
        return torch.cat([real(leaf).flatten() for leaf in leaves])

    def sensitivity(self, names: Sequence[str], *, n_cotangents: int) -> Sensitivity:
        """Pull random normal cotangents of the outputs back to the named tensors, in every draw.

        Raises:
            ValueError: if the outputs do not depend on any parameter.
        """
        weights = [self.weights[name] for name in names]
        rows, size = [], 0.0
        for draw in self.draws:
            outputs = self.outputs(draw)
            if not outputs.requires_grad:
                raise RefusalError("the model's outputs do not depend on its parameters")
            size = max(size, float(outputs.detach().norm()))
            for _ in range(n_cotangents):
                cotangent = torch.randn(
                    outputs.shape, generator=self._generator, dtype=torch.float64
                ).to(outputs)
                gradients = self._gradients(outputs, names, cotangent)
                rows.append([_products(g, w) for g, w in zip(gradients, weights, strict=True)])
            self._put_back()
        table = torch.tensor(rows, dtype=torch.float64)
        radial, grad_norm, along_rows = table.unbind(-1)
        return Sensitivity(radial, grad_norm, along_rows, size)

    def _gradients(
        self, outputs: Tensor, names: Sequence[str], cotangent: Tensor
    ) -> list[Tensor | None]:
        """Gradients by the named tensors; None for those that were not used."""
        weights = [self.weights[name] for name in names]
        if self._backward_only:
            return self._backward(outputs, weights, cotangent)
        return list(
            torch.autograd.grad(outputs, weights, cotangent, retain_graph=True, allow_unused=True)
        )

    def _backward(
        self, outputs: Tensor, weights: Sequence[Tensor], cotangent: Tensor
    ) -> list[Tensor | None]:
        """The same by ``backward``, and what it adds to other tensors' gradients taken back."""
        others = [(leaf, leaf.grad) for leaf in _leaves(outputs)]
        for leaf in (*self.weights.values(), *(leaf for leaf, _ in others)):
            leaf.grad = None
        outputs.backward(cotangent, retain_graph=True)  # type: ignore[no-untyped-call]
        found = [weight.grad for weight in weights]
        for leaf, gradient in others:
            leaf.grad = gradient
        return found

    def _hides_weights(self, outputs: Tensor) -> bool:
        """Whether weights seem unused that ``backward`` reaches, as in reentrant checkpoints."""
        names, ones = list(self.weights), torch.ones_like(outputs)
        if not outputs.requires_grad:
            return False
        try:
            found = self._gradients(outputs, names, ones)
        except RuntimeError as error:
            if "checkpoint" not in str(error):
                raise
            return True
        unused = [self.weights[n] for n, g in zip(names, found, strict=True) if g is None]
        if not unused:
            return False
        return any(g is not None for g in self._backward(outputs, unused, ones))

    def change(self, factors: Mapping[str, Tensor | float]) -> float:
        """Largest relative change of the outputs when tensors are multiplied by factors."""
        return max(self._change(factors, draw, i) for i, draw in enumerate(self.draws))

    @torch.no_grad()
    def _change(self, factors: Mapping[str, Tensor | float], draw: Draw, index: int) -> float:
        if index not in self._usual:
            self._usual[index] = self._without_graph(draw)
        before = self._usual[index]
        kept = {name: self.weights[name].detach().clone() for name in factors}
        for name, factor in factors.items():
            self.weights[name].mul_(factor)
        after = self._without_graph(draw)
        for name, weight in kept.items():
            self.weights[name].copy_(weight)
        return float((after - before).norm() / before.norm())

    def _without_graph(self, draw: Draw) -> Tensor:
        """Outputs of a draw; with gradients enabled, which a network may take of its inputs."""
        with torch.enable_grad():
            outputs = self.outputs(draw).detach()
        self._put_back()
        return outputs

    @torch.no_grad()
    def _put_back(self) -> None:
        """Undo what a pass wrote into the weights, if this network's passes do so."""
        if self._writes_weights:
            for weight, kept in self._held:
                weight.copy_(kept)

    def row_factors(self, name: str) -> Tensor:
        """Independent factors from 1/2 to 2, one for each slice along the first dimension."""
        weight = self.weights[name]
        shape = (weight.shape[0], *[1] * (weight.ndim - 1))
        exponents = 2 * torch.rand(shape, generator=self._generator, dtype=torch.float64) - 1
        return (2**exponents).to(weight)

    @contextmanager
    def without_eps(self) -> Iterator[None]:
        """Shrink the epsilon of every normalisation meanwhile, so that it hides no invariance."""
        factor = EPS_SHRINK if self.double else 1.0
        places = [one for draw in self.draws for one in draw.attributes.scaled("eps", factor)]
        usual = [held[name] for held, name, _ in places]
        try:
            for held, name, small in places:
                held[name] = small
            yield
        finally:
            for (held, name, _), value in zip(places, usual, strict=True):
                held[name] = value


class RefusalError(ValueError):
    """Says what is wrong with the network itself, however it is evaluated."""


def _copy_of(model: nn.Module) -> nn.Module:
    """A deep copy in which what earlier passes left is constant: torch copies no results.

    Such are the weights that ``torch.nn.utils.weight_norm`` makes, or activations that are kept.
    """
    constants: dict[int, Any] = {}

    def collect(tensor: Tensor) -> Tensor:
        if not tensor.is_leaf:
            constants[id(tensor)] = tensor.detach().clone()
        return tensor

    for part in model.modules():
        over_tensors(collect, vars(part))
    return copy.deepcopy(model, constants)


def _leaves(outputs: Tensor) -> Iterator[Tensor]:
    """Tensors whose gradients a backward pass would add to."""
    waiting, seen = [outputs.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [further for further, _ in node.next_functions]


def real(tensor: Tensor) -> Tensor:
    """A dense tensor of real numbers: two for each complex one."""
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _products(gradient: Tensor | None, weight: Tensor) -> list[float]:
    """``<grad, w>``, ``|grad| |w|`` and the largest share of a row; zeros for an unused tensor."""
    if gradient is None:
        return [0.0, 0.0, 0.0]
    gradient, weight = (real(t.detach()).double() for t in (gradient, weight))
    rows = (gradient * weight).reshape(len(weight) if weight.ndim else 1, -1).sum(dim=1)
    products = torch.stack([rows.sum(), gradient.norm() * weight.norm(), rows.abs().max()])
    return products.tolist()  # at once: each time a GPU is waited for


def _float_tensors(value: Any) -> Iterator[Tensor]:
    """Floating-point tensors in nested tuples, lists, mappings and dataclass-like outputs."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex():
            yield value
    elif isinstance(value, Mapping):
        yield from (leaf for part in value.values() for leaf in _float_tensors(part))
    elif isinstance(value, list | tuple):
        yield from (leaf for part in value for leaf in _float_tensors(part))


def describe_error(error: BaseException | None) -> str:
    """An error of somebody else's code in a few words."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
