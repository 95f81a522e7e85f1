"""Share a compiled kernel's columns among threads.

Not by Numba's ``parallel=True``: that compiles the loop body several times under one symbol whose
name holds a memory address. The process that compiles then runs another copy than those that
load the kernel from the cache, with other roundings, and two cached kernels could swap bodies.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from theory.simulation.kernels import kernel_cache

# Pieces for each thread, so that a thread that the machine delays does not hold up the others.
_PIECES = 4


def shared(kernel: Callable[..., None], grain: int) -> Callable[..., None]:
    """The kernel, called with ``start, stop`` and its arguments, over all columns of the weights.

    Args:
        kernel: releases the GIL, and treats every column by itself.
        grain: start and stop are multiples of it.

    Returns:
        A function of the other arguments, the (d, n) weights first; it uses as many threads as
        ``numba.get_num_threads`` says.
    """
    kernel = kernel_cache.kept_or_not(kernel)

    def everywhere(weights: Any, *arguments: Any) -> None:
        import numba

        count, threads = weights.shape[1] // grain, numba.get_num_threads()
        if min(count, threads) < 2:
            kernel(0, count * grain, weights, *arguments)
            return
        pieces = min(count, _PIECES * threads)
        edges = [grain * (count * k // pieces) for k in range(pieces + 1)]
        # threads of its own for each call: 0.1 ms, and none to lose in a forked process
        with ThreadPoolExecutor(min(threads, pieces)) as pool:
            tasks = [
                pool.submit(kernel, start, stop, weights, *arguments)
                for start, stop in pairwise(edges)
            ]
        for task in tasks:
            task.result()

    return everywhere
