"""A process for each core of this machine or, where a study trains on GPUs, for each of these."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


def pool(device: str) -> ProcessPoolExecutor:
    """Processes to train the parts of a study; each of them sees one GPU at most.

    Args:
        device: where the study is trained: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ValueError: if the device is unknown or absent.
    """
    gpus, context = gpus_for(device), get_context("spawn")
    free = context.SimpleQueue()
    for name in gpus:
        free.put(name)
    return ProcessPoolExecutor(
        len(gpus) or None,
        mp_context=context,
        initializer=_begin,
        initargs=(free if gpus else None,),
    )


def gpus_for(device: str) -> list[str]:
    """What CUDA calls the GPUs on which a study is trained here, none for a CPU; see ``pool``."""
    import torch

    from empirical.training.train import choose_device

    if choose_device(device).type == "cpu":
        return []
    return names_of_gpus(torch.cuda.device_count())


def names_of_gpus(n_gpus: int) -> list[str]:
    """What CUDA calls the GPUs that this process sees, which may be some of the machine's."""
    visible = os.environ.get(VISIBLE_GPUS) or ",".join(map(str, range(n_gpus)))
    return [name.strip() for name in visible.split(",")[:n_gpus]]


def _begin(free: Any) -> None:
    """Begin a process: it leaves Ctrl-C to us, who ask it to stop, and takes a GPU if it needs one.

    A GPU is taken before CUDA starts, which then sees no other.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if free is not None:
        os.environ[VISIBLE_GPUS] = free.get()
