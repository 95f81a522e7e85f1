"""The arithmetic of training, an explicit choice: float32, coarser products, or float64."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

import torch
from torch import Tensor

Switch: TypeAlias = tuple[Any, str]  # a place in torch, and the name of its attribute


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

    There convolutions are in TF32, of 11 bits, where nobody chose. It is told by the older switch
    of cuDNN, where nobody has used the newer: a network may ask for it.
    """
    switches, cudnn = _switches(), torch.backends.cudnn
    try:
        _ = cudnn.allow_tf32
        switches = [switches[0], (cudnn, "allow_tf32")]
    except RuntimeError:  # torch refuses to read it once the newer one was set
        pass
    return _set("ieee", switches)


@contextmanager
def _set(arithmetic: str, switches: Sequence[Switch]) -> Iterator[None]:
    """Set switches to ``ieee`` or ``tf32`` inside the block."""
    before = [getattr(*switch) for switch in switches]
    for place, name in switches:
        setattr(place, name, arithmetic == "tf32" if name == "allow_tf32" else arithmetic)
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            setattr(*switch, value)


@contextmanager
def _gpu_flags(arithmetic: str) -> Iterator[None]:
    """Set the arithmetic of float32 products and convolutions, and the search for fast ones."""
    search = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with _set(arithmetic, _switches()):
            yield
    finally:
        torch.backends.cudnn.benchmark = search


def _switches() -> list[Switch]:
    """Where torch keeps the arithmetic: by name from 2.9 on, where the older flags warn."""
    products: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(products, "fp32_precision"):
        return [(place, "fp32_precision") for place in (products, cudnn.conv, cudnn.rnn)]
    return [(products, "allow_tf32"), (cudnn, "allow_tf32")]
