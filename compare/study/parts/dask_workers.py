"""Executors of Dask: a local cluster of processes, or the workers of a scheduler that exists."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from compare.study.parts import local_processes

MOST_WORKERS_A_CORE = 8
CONNECT_SECONDS = 30
QUIET = {"silence_logs": logging.CRITICAL}


@contextmanager
def connected(workers: str, *, device: str = "auto") -> Iterator[Executor]:
    """An executor on so many local processes, or on the workers of a scheduler.

    Args:
        workers: a number; or the address of a scheduler, such as ``tcp://host:8786``, or the
            scheduler file that it has written, ``*.json``.
        device: where local processes train: ``auto``, ``cpu`` or ``cuda``. Each sees one GPU at
            most; that some share one is said in a warning.

    Raises:
        ValueError: for a number out of range or a device that is absent, if no scheduler answers,
            or without Dask.
    """
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            "--workers needs dask.distributed; install the extra 'cluster', as docs/cluster.md says"
        ) from error
    for name in logging.root.manager.loggerDict:
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # lost workers are our business
    if workers.strip().lstrip("+-").isdecimal():
        number = _number(workers)
        gpus = local_processes.gpus_for(device)
        if gpus and number > len(gpus):
            warnings.warn(_shared(number, len(gpus)), stacklevel=3)
        with _local_cluster(number, gpus) as cluster, _new_client(cluster) as client:
            yield client.get_executor(pure=False)
        return
    with _client(workers) as client:
        yield client.get_executor(pure=False)


def _number(workers: str) -> int:
    most = MOST_WORKERS_A_CORE * (os.cpu_count() or 1)
    number = int(workers) if len(workers) < 10 else most + 1
    if not 1 <= number <= most:
        raise ValueError(
            f"workers must be 1 .. {most} processes, {MOST_WORKERS_A_CORE} for each core, or the "
            f"address of a scheduler, got {workers}"
        )
    return number


def _shared(n_workers: int, n_gpus: int) -> str:
    gpus = "one GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return (
        f"{n_workers} workers share {gpus}, where they take memory and time from each other; "
        f"--workers {n_gpus} gives each a GPU of its own"
    )


def _local_cluster(n_workers: int, gpus: list[str]) -> Any:
    """Processes of one thread each; each sees one of the GPUs, in turn, where there are any."""
    from distributed import Nanny, Scheduler, SpecCluster

    workers = {}
    for i in range(n_workers):
        environment = {"OMP_NUM_THREADS": "1"}
        if gpus:
            environment[local_processes.VISIBLE_GPUS] = gpus[i % len(gpus)]
        options = {"nthreads": 1, "memory_limit": 0, "env": environment, **QUIET}
        workers[i] = {"cls": Nanny, "options": options}
    scheduler = {
        "cls": Scheduler,
        "options": {
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "allowed_failures": 0,  # how often a part is tried again is ours to say
        },
    }
    make: Any = SpecCluster  # untyped
    with _interrupts_blocked():
        return make(workers, scheduler, **QUIET)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from threads and processes that start inside, and from those that they start.

    It is for the client, which asks the workers to stop.
    """
    resource_tracker.ensure_running()  # else started inside, which lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _client(address: str) -> Any:
    """A client of a scheduler that exists.

    Raises:
        ValueError: if none answers there.
    """
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    if address.endswith(".json") and not Path(address).is_file():
        raise ValueError(f"no scheduler file {address}")
    try:
        return _new_client(**where, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ValueError(f"no scheduler answers at {address}: {error}") from error


def _new_client(*arguments: Any, **options: Any) -> Any:
    from distributed import Client

    make: Any = Client  # untyped
    return make(*arguments, **options)
