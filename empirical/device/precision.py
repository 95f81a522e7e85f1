"""The arithmetic of training, an explicit choice: float32, coarser products, or float64."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


@contextmanager
def exact_products() -> Iterator[None]:
    """Compute float32 products and convolutions in float32 inside the block, on a GPU too.

    By the older switch of cuDNN, where nobody has used the newer: a network may ask for it.
    """
    cudnn: Any = torch.backends.cudnn
    try:
        before = cudnn.allow_tf32
    except RuntimeError:  # torch refuses to read it once the newer one was set
        with products_in("ieee"):
            yield
        return
    products, name = _switches()[0]
    kept = getattr(products, name)
    cudnn.allow_tf32 = False
    setattr(products, name, False if name == "allow_tf32" else "ieee")
    try:
        yield
    finally:
        setattr(products, name, kept)
        cudnn.allow_tf32 = before


@contextmanager
def products_in(arithmetic: str) -> Iterator[None]:
    """Compute float32 products and convolutions on a GPU in ``ieee`` or ``tf32`` inside the block.

    Convolutions are in TF32, of 11 bits, where nobody chose.
    """
    before = _arithmetic()
    _set_arithmetic([arithmetic] * len(before))
    try:
        yield
    finally:
        _set_arithmetic(before)


@contextmanager
def _gpu_flags(arithmetic: str) -> Iterator[None]:
    """Set the arithmetic of float32 products and convolutions, and the search for fast ones."""
    search = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with products_in(arithmetic):
            yield
    finally:
        torch.backends.cudnn.benchmark = search


def _switches() -> list[tuple[Any, str]]:
    """Where torch keeps the arithmetic: by name from 2.9 on, where the older flags warn."""
    products: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(products, "fp32_precision"):
        return [(place, "fp32_precision") for place in (products, cudnn.conv, cudnn.rnn)]
    return [(products, "allow_tf32"), (cudnn, "allow_tf32")]


def _arithmetic() -> list[str]:
    values = [getattr(*switch) for switch in _switches()]
    return [value if isinstance(value, str) else "tf32" if value else "ieee" for value in values]


def _set_arithmetic(values: list[str]) -> None:
    for (place, name), value in zip(_switches(), values, strict=True):
        setattr(place, name, value == "tf32" if name == "allow_tf32" else value)
