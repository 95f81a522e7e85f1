"""Nested inputs of a network: copied, cut to a few examples, in another precision."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

Inputs: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

DOUBLE = {torch.complex64: torch.complex128, torch.complex32: torch.complex128}


def copied(value: Any) -> Any:
    """The same nested value with tensors of its own, which require a gradient as they did."""
    return over_tensors(_copy, value)


def as_double(value: Any) -> Any:
    """The same nested value with floating-point tensors in float64."""
    return over_tensors(to_double, value)


def to_double(tensor: Tensor) -> Tensor:
    """A tensor in float64 or complex128, if it is no integer."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor
    kind = DOUBLE.get(tensor.dtype, tensor.dtype if tensor.is_complex() else torch.float64)
    return tensor.detach().to(kind).requires_grad_(tensor.requires_grad)


def cut(inputs: Inputs, n: int) -> Inputs:
    """The first examples of a batch, where all tensors agree on how many there are."""
    arguments, keywords = inputs
    values = [*arguments, *keywords.values()]
    lengths = {len(v) if v.ndim else 0 for v in values if isinstance(v, Tensor)}
    if len(lengths) != 1 or any(isinstance(v, list | tuple | Mapping) for v in values):
        return inputs

    def first(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value[:n].detach().requires_grad_(value.requires_grad)

    return tuple(map(first, arguments)), {key: first(value) for key, value in keywords.items()}


def over_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The same nested value with all tensors changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: over_tensors(change, part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(over_tensors(change, part) for part in value)
    return value


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)
