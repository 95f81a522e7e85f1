"""Checks of numbers that come from outside, each raising one clear sentence."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

SMALLEST_INTRINSIC_LR = 1e-15
# Where Linux says how much memory a container may have.
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def is_finite(value: float) -> bool:
    """Whether a number is one as a float too, which whole numbers above 1e308 are not."""
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError):
        return False


def _shown(value: object) -> str:
    """A value as it was given: text in quotes, which is no number though it may look like one."""
    return repr(value) if isinstance(value, str) else str(value)


def positive(name: str, value: float) -> float:
    """Return value as a float.

    Raises:
        ValueError: if it is not a positive finite number.
    """
    if not (is_finite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, got {_shown(value)}")
    return float(value)


def non_negative(name: str, value: float) -> float:
    """Return value as a float.

    Raises:
        ValueError: if it is negative or not finite.
    """
    if not (is_finite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number >= 0, got {_shown(value)}")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Return value as a float.

    Raises:
        ValueError: if it is not from 0 to below 1.
    """
    if not (is_finite(value) and 0 <= value < 1):
        raise ValueError(f"{name} must be from 0 to below 1, got {_shown(value)}")
    return float(value)


def at_least(name: str, value: int, lowest: int) -> int:
    """Return an integer value.

    Raises:
        ValueError: if it is below the lowest allowed one.
    """
    if value < lowest:
        raise ValueError(f"{name} must be >= {lowest}, got {value}")
    return value


def whole(name: str, value: float) -> int:
    """Return value as an integer.

    Raises:
        ValueError: if it is none.
    """
    if not (is_finite(value) and value == int(value)):
        raise ValueError(f"{name} must be a whole number, got {_shown(value)}")
    return int(value)


def within(name: str, value: int, lowest: int, highest: float) -> int:
    """Return an integer value.

    Raises:
        ValueError: if it is not from the lowest to the highest allowed one.
    """
    if at_least(name, value, lowest) > highest:
        raise ValueError(f"{name} must be at most {highest:g}, got {value}")
    return value


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return a name.

    Raises:
        ValueError: if it is not one of those allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def setting(learning_rate: float, weight_decay: float) -> tuple[float, float]:
    """Return a learning rate and a weight decay that SGD with coupled decay can run with.

    Raises:
        ValueError: if the rate is not positive and finite, the decay is negative or not finite,
            or their product is 1 or more, where one step turns the weights around, or so small
            that ``1 - eta lam`` is 1 in float64.
    """
    learning_rate = positive("learning_rate", learning_rate)
    weight_decay = non_negative("weight_decay", weight_decay)
    if learning_rate * weight_decay >= 1:
        raise ValueError(
            "learning_rate * weight_decay must be below 1, "
            f"got {learning_rate} * {weight_decay} = {learning_rate * weight_decay:g}"
        )
    if weight_decay > 0 and learning_rate * weight_decay < SMALLEST_INTRINSIC_LR:
        raise ValueError(
            f"learning_rate * weight_decay must be 0 or at least {SMALLEST_INTRINSIC_LR:g}, "
            f"got {learning_rate} * {weight_decay}"
        )
    return learning_rate, weight_decay


def fits_in_memory(what: str, n_bytes: float) -> None:
    """Refuse what this machine cannot hold, before any work is done.

    Args:
        what: subject of the sentence, such as ``"this study"``.
        n_bytes: what it needs at its peak.

    Raises:
        ValueError: if that is more than the machine, or its container, has in all.
    """
    most = machine_memory()
    if n_bytes > most:
        raise ValueError(
            f"{what} needs about {n_bytes / 1e9:.3g} GB of memory, this machine has "
            f"{most / 1e9:.3g} GB"
        )


def machine_memory() -> float:
    """Bytes of memory in all, or that a container is allowed; infinite where no one says."""
    try:
        most: float = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return math.inf
    for file in CONTAINER_LIMITS:
        try:
            most = min(most, int(file.read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return most
