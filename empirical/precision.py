"""The arithmetic of training, an explicit choice: float32, coarser products, or float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
    which has no TF32, ``tf32`` is float32.
    """
    if name == "bf16":
        with torch.autocast(device.type, torch.bfloat16):
            yield
        return
    if device.type == "cpu":
        yield
        return
    allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _allow_tf32(name == "tf32", name == "tf32")
    try:
        yield
    finally:
        _allow_tf32(*allowed)


def _allow_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions
