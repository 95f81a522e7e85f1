"""One thread for every sum: numbers that do not depend on how many cores there are."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block: torch, and the BLAS of NumPy and SciPy.

    Convolutions and long sums are cut at other places for another number of threads, and round
    differently. Cores are used by independent work side by side. Threads that are started inside
    the block must call ``torch.set_num_threads(1)`` before they compute.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _libraries() -> ThreadpoolController:
    """The libraries with threads of their own; looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own

    return ThreadpoolController()
