"""The work of ``sawtooth simulate``: a toy loss by name or formula, a grid, a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from theory import losses, stream, validate
from theory.ensemble import Dynamics
from theory.losses import ToyLoss
from theory.simulate import Grid

# Two clusters of a binary problem, a wide margin apart: inputs times labels.
LOGISTIC_POINTS = ((1.0, 0.2), (0.8, -0.4), (1.2, 0.5), (0.9, -0.1))


def named_loss(text: str) -> ToyLoss:
    """Turn the LOSS of the command line into a toy loss.

    Args:
        text: ``rayleigh[:a1,a2,...]``, ``multi-block[:a1,...]``, ``isotropic[:d]``,
            ``logistic[:scale]`` or a formula such as ``"x**2/(x**2+y**2)"``.

    Raises:
        ValueError: if the numbers are bad, or the formula cannot be read or is not
            scale-invariant.
    """
    name, _, rest = text.partition(":")
    builders: dict[str, Callable[[list[float]], ToyLoss]] = {
        "rayleigh": lambda given: losses.rayleigh(given or [0.0, 1.0]),
        "multi-block": lambda given: losses.multi_block(given or [1.0, 2.0]),
        "isotropic": lambda given: losses.isotropic(_whole(given, 2)),
        "logistic": lambda given: losses.logistic(LOGISTIC_POINTS, *(given or [10.0])[:1]),
    }
    if name not in builders:
        return losses.custom(text)
    try:
        given = [float(number) for number in rest.split(",")] if rest else []
    except ValueError:
        raise ValueError(f"{name} takes numbers separated by commas, got {rest!r}") from None
    return builders[name](given)


def _whole(given: list[float], default: int) -> int:
    if given and (len(given) > 1 or given[0] != int(given[0])):
        raise ValueError(f"isotropic takes one whole number, got {given}")
    return int(given[0]) if given else default


def run(options: argparse.Namespace) -> Path:
    """Simulate the grid of the command line's options into a new file.

    Raises:
        ValueError: for a bad loss or grid.
        OSError: if the file exists or the disk has no room for it.
    """
    loss = named_loss(options.loss)
    grid = Grid(
        learning_rates=tuple(options.lr),
        weight_decays=tuple(options.wd),
        seeds=tuple(range(validate.at_least("seeds", options.seeds, 1))),
        n_steps=options.steps,
        record_every=options.record_every,
        initial_norm=options.rho0,
        schedule=options.schedule,
        dynamics=Dynamics(options.momentum, options.noise, sphere=options.sphere),
    )
    with tqdm(total=grid.n_runs, desc=f"simulating {loss.name}", disable=None) as bar:
        return stream.write(
            loss,
            grid,
            options.out,
            say=lambda sentence: print(sentence, file=sys.stderr),
            progress=lambda done: bar.update(done - bar.n),
        )
