"""The arithmetic of products and convolutions, an explicit choice with float32 as reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def of(name: str, device: torch.device) -> Iterator[None]:
    """Compute products and convolutions in ``float32``, ``tf32`` or ``bf16`` inside the block.

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
