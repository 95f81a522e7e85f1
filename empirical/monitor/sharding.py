"""Weights that are spread over several processes: local parts, and sums over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
import torch.distributed
from torch import Tensor, nn

from empirical.invariance.network_copy import real

Reduce: TypeAlias = Callable[[Tensor], Tensor]


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, dense and real, out of autograd's sight."""
    held = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return real(held.data)


def over_ranks(model: nn.Module, weights: Sequence[Tensor]) -> Reduce | None:
    """Make the function that adds squared norms up over the processes that share the weights.

    None with data parallelism, where every process holds all weights. FSDP, and DTensors
    that are sharded along one dimension of their mesh, hold a part each.

    Raises:
        ValueError: if some weights are sharded and others are not, or over different processes.
    """
    group_of = [_group(model, weight) for weight in weights]
    groups = {id(group): group for group in group_of}
    if len(groups) > 1:
        raise ValueError("scale-invariant weights are sharded in different ways; name some of them")
    (group,) = groups.values()
    if group is None:
        return None

    def add(squares: Tensor) -> Tensor:
        torch.distributed.all_reduce(squares, group=group)
        return squares

    return add


def _group(model: nn.Module, weight: Tensor) -> Any:
    """The processes that hold a part each of a weight; None where each holds it all."""
    if hasattr(weight, "device_mesh"):
        placements: Any = weight.placements  # type: ignore[attr-defined]
        dims = [i for i, one in enumerate(placements) if one.is_shard()]
        if len(dims) > 1:
            raise ValueError("weights that are sharded along two dimensions are not followed")
        return weight.device_mesh.get_group(dims[0]) if dims else None
    for part in model.modules():
        if type(part).__name__ == "FullyShardedDataParallel" and _shards(part, weight):
            return part.process_group
    return None


def _shards(unit: nn.Module, weight: Tensor) -> bool:
    """Whether a unit of FSDP, made with ``use_orig_params=True``, holds a weight in parts.

    Source: ``FlatParamHandle`` in ``torch/distributed/fsdp/_flat_param.py``.
    """
    handle: Any = unit._handle
    if handle is None or not handle.uses_sharded_strategy:
        return False
    return any(one is weight for one in handle.flat_param._params or ())
