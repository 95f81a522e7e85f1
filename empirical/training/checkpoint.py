"""Checkpoints: written whole or not at all, read without unpickling foreign objects."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from theory.files import check_seal, replacing_sealed

OF_ACTIVE_RUNS = (".rows", ".weights", ".momentum_buffer")  # shorter after a run has ended


def save(path: Path, state: dict[str, Any], *, config: str) -> None:
    """Write a checkpoint atomically: to a neighbouring file first, then renamed over.

    Args:
        path: where the checkpoint goes; an older one there is replaced.
        state: tensors, numbers, strings and containers of these.
        config: what the run was asked for; a resume must ask for the same.

    Raises:
        OSError: if it cannot be written; an older checkpoint stays.
    """
    with replacing_sealed(path) as file:
        torch.save({"config": config, "state": state}, file)


def load(path: Path, *, config: str) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: if the file is damaged or belongs to another configuration.
    """
    check_seal(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of what damage has made of its pickle
            saved = torch.load(path, map_location="cpu", weights_only=True)
        found, state = saved["config"], dict(saved["state"])
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a readable checkpoint ({type(error).__name__})") from error
    if found != config:
        raise ValueError(
            f"{path} belongs to another configuration; remove it or choose another --out"
        )
    return state


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Name a checkpoint in what goes wrong while training takes up its state.

    Raises:
        ValueError: in place of the errors that a state of another shape leads to.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a whole checkpoint ({error}); remove it") from error


def check_like(saved: Any, whole: Any, name: str = "state") -> None:
    """Refuse a state that does not hold what another one of the same runs holds.

    Args:
        saved: the state to look at.
        whole: one that is whole; lists that are empty in it are not looked into.
        name: of the state, for messages.

    Raises:
        TypeError: if something is missing, or of another type or shape.
    """
    if type(saved) is not type(whole):
        raise TypeError(f"{name} is {type(saved).__name__}, not {type(whole).__name__}")
    if isinstance(whole, dict):
        if saved.keys() != whole.keys():
            odd = ", ".join(sorted(map(str, saved.keys() ^ whole.keys())))
            raise TypeError(f"{name} lacks or should not hold {odd}")
        for key, value in whole.items():
            check_like(saved[key], value, f"{name}.{key}")
    elif isinstance(whole, list) and whole:
        if len(saved) != len(whole):
            raise TypeError(f"{name} has {len(saved)} entries, not {len(whole)}")
        for i, value in enumerate(whole):
            check_like(saved[i], value, f"{name}[{i}]")
    elif isinstance(whole, torch.Tensor):
        n = int(name.endswith(OF_ACTIVE_RUNS))
        if (saved.dtype, saved.ndim, saved.shape[n:]) != (whole.dtype, whole.ndim, whole.shape[n:]):
            raise TypeError(f"{name} has the shape {tuple(saved.shape)} and {saved.dtype}")
