"""Checkpoints: written whole or not at all, read without unpickling foreign objects."""

from pathlib import Path
from typing import Any

import torch

from theory.files import replacing


def save(path: Path, state: dict[str, Any], *, config: str) -> None:
    """Write a checkpoint atomically: to a neighbouring file first, then renamed over.

    Args:
        path: where the checkpoint goes; an older one there is replaced.
        state: tensors, numbers, strings and containers of these.
        config: what the run was asked for; a resume must ask for the same.

    Raises:
        OSError: if it cannot be written; an older checkpoint stays.
    """
    with replacing(path) as file:
        torch.save({"config": config, "state": state}, file)


def load(path: Path, *, config: str) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: if the file is damaged or belongs to another configuration.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found, state = saved["config"], saved["state"]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a readable checkpoint ({type(error).__name__})") from error
    if found != config:
        raise ValueError(
            f"{path} belongs to another configuration; remove it or choose another --out"
        )
    return dict(state)
