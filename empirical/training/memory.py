"""How many runs fit in the memory of a GPU, by measuring one step of a few."""

from collections.abc import Callable, Sequence

import torch

from empirical.training.ensemble import Ensemble
from theory.trajectory import RunSpec

# of the free memory: evaluations come on top of what recorded steps hold on to
USABLE = 0.45


def largest_group(
    build: Callable[[list[RunSpec]], Ensemble], runs: Sequence[RunSpec], device: torch.device
) -> int:
    """Most runs that fit in the free memory of a GPU together, at least 1.

    Memory is taken to grow linearly with the number of runs; its slope and intercept come from
    the first step, with its evaluation, of the first run alone and of the first two.

    Args:
        build: makes an ensemble of some of the runs.
        runs: all runs; each ensemble starts anew, so that measuring changes nothing.
        device: the GPU.
    """
    if len(runs) == 1:
        return 1
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    peaks = []
    for some in (runs[:1], runs[:2]):
        try:
            peaks.append(_peak(build, list(some), device))
        except torch.OutOfMemoryError:
            return 1  # training itself reports what to change
        finally:
            torch.cuda.empty_cache()
    return how_many_fit(peaks[0], peaks[1], USABLE * free)


def how_many_fit(one: float, two: float, available: float) -> int:
    """Number of runs, at least 1, given the bytes that one and two need, if the rest is linear."""
    each = max(two - one, one / 100)
    return max(1, int((available - one) / each) + 1)


def _peak(
    build: Callable[[list[RunSpec]], Ensemble], runs: list[RunSpec], device: torch.device
) -> int:
    """Bytes that a first step of these runs holds at most, beyond those held before."""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    build(runs).advance(1)
    return torch.cuda.max_memory_allocated(device) - before
