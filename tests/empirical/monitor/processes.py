"""One of several processes that train a network together.

python processes.py RANK WORLD FOLDER KIND...
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from empirical.monitor.monitor import Monitor

N, BATCH, NAMES = 20, 32, ("0.weight", "3.weight")
FREE = {"elementwise_affine": False, "eps": 1e-12}


def network():
    """Two layers whose weights are scale-invariant; 7 and 5 rows, so that shards differ."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(10, 7, bias=False),
        nn.LayerNorm(7, **FREE),
        nn.Tanh(),
        nn.Linear(7, 5, bias=False),
        nn.LayerNorm(5, **FREE),
        nn.Linear(5, 4),
    )


def fsdp1(model, strategy):
    """FSDP as it was first, which takes a CPU where that is named."""
    return FullyShardedDataParallel(
        model,
        use_orig_params=True,
        device_id=torch.device("cpu"),
        sharding_strategy=ShardingStrategy[strategy],
    )


WRAP = {
    "one": lambda model: model,
    "ddp": DistributedDataParallel,
    "fsdp1": lambda model: fsdp1(model, "FULL_SHARD"),
    "fsdp1-whole": lambda model: fsdp1(model, "NO_SHARD"),
    "fsdp2": fully_shard,
}


def train(kind, rank, world):
    """Train with momentum on this process's share of every batch."""
    model = WRAP[kind](network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-2)
    names = NAMES if kind.startswith("fsdp") else None
    monitor = Monitor(model, optimizer, parameters=names, eval_every=5)
    generator = torch.Generator().manual_seed(1)
    for _ in range(N):
        x = torch.randn(BATCH, 10, generator=generator)
        y = torch.randint(4, (BATCH,), generator=generator)
        loss = F.cross_entropy(model(x[rank::world]), y[rank::world])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.step(loss)
    return monitor


def main(rank, world, folder, *kinds):
    """Train in each of the ways; what the last process saves needs none of the others."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world
    )
    for kind in kinds:
        monitor = train(kind, rank, world)
        if rank == world - 1:
            monitor.save(Path(folder) / f"{kind}.nc")
        dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
