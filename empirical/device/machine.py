"""The machine: what numbers depend on beside the seeds, and the memory of this process."""

import os
import platform
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")  # of Linux
HELD = Path("/proc/self/statm")  # pages of this process: in all, and resident


def describe(device: torch.device) -> str:
    """Name of a device with what decides how it rounds, for the provenance of a result."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return (
        f"{_processor()} with {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"
    )


def continued(machines: Sequence[str], device: torch.device) -> list[str]:
    """Machines on which runs have been trained, with the one on which they go on.

    Says in a warning if that is another one than before.
    """
    here, before = describe(device), [*machines]
    if before[-1:] == [here]:
        return before
    if before:
        warnings.warn(
            f"this training began on {before[-1]} and goes on on {here}: steps are equal to "
            "rounding only, so that its runs part from those of a single machine",
            stacklevel=4,
        )
    return [*before, here]


def uses_a_gpu() -> bool:
    """Whether anything in this process has used a GPU: asking it for more would start it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def resident() -> float | None:
    """Bytes of memory that this process holds now; None where the system does not tell."""
    try:
        return float(HELD.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _processor() -> str:
    """Model of the processor; its architecture where the system does not tell."""
    known = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    models = [line.partition(":")[2].strip() for line in known if line.startswith("model name")]
    return (models or [platform.processor() or platform.machine()])[0]
