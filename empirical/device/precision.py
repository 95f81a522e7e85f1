"""The arithmetic of training, an explicit choice: float32, coarser products, or float64."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor


def dtype(name: str) -> torch.dtype:
    """Type of weights and images: float64 if so named, else float32."""
    return torch.float64 if name == "float64" else torch.float32


def at_least_float32(values: Tensor) -> Tensor:
    """The same values, in float32 if they have a coarser type."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@contextmanager
def of(name: str, device: torch.device) -> Iterator[None]:
    """Compute products and convolutions in ``tf32`` or ``bf16`` inside the block, if so named.

    Weights, gradients of weights and everything recorded stay in float32 or float64. On a CPU,
    which has no TF32, ``tf32`` is float32. On a GPU the fastest convolutions are looked for.
    """
    coarse = torch.autocast(device.type, torch.bfloat16) if name == "bf16" else nullcontext()
    flags = _gpu_flags("tf32" if name == "tf32" else "ieee")
    with flags if device.type == "cuda" else nullcontext(), coarse:
        yield


def exact_products() -> AbstractContextManager[None]:
    """Compute float32 products and convolutions in float32 inside the block, on a GPU too.

    There convolutions are in TF32, of 11 bits, where nobody chose.
    """
    return _products("ieee")


@contextmanager
def _gpu_flags(arithmetic: str) -> Iterator[None]:
    """Set the arithmetic of float32 products and convolutions, and the search for fast ones."""
    search = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with _products(arithmetic):
            yield
    finally:
        torch.backends.cudnn.benchmark = search


@dataclass(frozen=True)
class _Switch:
    """One of torch's settings of the arithmetic, and what stands for each there."""

    read: Callable[[], Any]
    set: Callable[[Any], Any]
    values: dict[str, Any]


@contextmanager
def _products(arithmetic: str) -> Iterator[None]:
    """Set all switches to ``ieee`` or ``tf32`` inside the block.

    A network may read any of them, and torch refuses to read an older one that the newer ones
    contradict. Where somebody has made them do so, the older one is left as it is.
    """
    before = []
    for switch in _switches():
        with suppress(RuntimeError):
            before.append((switch, switch.read()))
    try:
        for switch, _ in before:
            switch.set(switch.values[arithmetic])
        yield
    finally:
        for switch, value in before:
            switch.set(value)


@cache
def _switches() -> tuple[_Switch, ...]:
    """Older switches, then those that torch has from 2.9 on: the older ones set these too."""
    backends: Any = torch.backends
    matmul = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    switches = [
        _attribute(backends.cudnn, "allow_tf32", {"ieee": False, "tf32": True}),
        _Switch(*matmul, {"ieee": "highest", "tf32": "high"}),
    ]
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        cudnn, products = backends.cudnn, (backends.cuda.matmul, backends.mkldnn.matmul)
        for place in (cudnn.conv, cudnn.rnn, *products):
            switches.append(_attribute(place, "fp32_precision", {"ieee": "ieee", "tf32": "tf32"}))
    return tuple(switches)


def _attribute(place: Any, name: str, values: dict[str, Any]) -> _Switch:
    return _Switch(partial(getattr, place, name), partial(setattr, place, name), values)
