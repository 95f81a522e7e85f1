"""``sawtooth simulate norm``: the weight norm over time, for gradients that are given."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from compare.cli.parsing import DONE

if TYPE_CHECKING:
    import xarray as xr

    from theory.norm_ode.gradients import Gradient

OF_TOYS = {"seeds": 1, "schedule": "constant", "momentum": 0.0, "noise": 0.0, "sphere": False}
ASKED = ("lr", "wd", "grad_norm", "run", "rho0", "steps", "record_every")
DEFAULT_STEPS = 10_000


def execute(options: argparse.Namespace) -> int:
    """Solve for the norm, write a file, and say where the norm settles."""
    from compare.report.pages.norm_law import meaning
    from compare.study import store
    from theory import files

    for name, default in OF_TOYS.items():
        if getattr(options, name) != default:
            raise ValueError(f"--{name} is of a toy loss, not of the norm")
    if options.grad_norm is None:
        raise ValueError("the norm needs --grad-norm, a number or a recorded FILE.nc")
    with files.new_file(options.out):
        solved = _solve(options)
        asked = {name: value for name in ASKED if (value := getattr(options, name)) is not None}
        made = json.dumps(store.provenance("cpu", ["float64"]))
        store.write_trajectories(options.out, solved, config=json.dumps(asked), provenance=made)
    print(f"data:   {options.out}\n{meaning(solved)}")
    return DONE


def _solve(options: argparse.Namespace) -> xr.Dataset:
    from theory.norm_ode.solve import solve_norm

    gradient = _gradient(options.grad_norm, options.run)
    constant = gradient.run is None
    return solve_norm(
        options.lr,
        options.wd,
        grad_norm=gradient,
        rho0=1.0 if options.rho0 is None and constant else options.rho0,
        n_steps=DEFAULT_STEPS if options.steps is None and constant else options.steps,
        record_every=1 if options.record_every is None else options.record_every,
    )


def _gradient(text: str, run: str | None) -> Gradient:
    """A number, or what a run of a file has recorded.

    Raises:
        ValueError: if it is neither.
    """
    from theory.norm_ode.gradients import Gradient

    try:
        number = float(text)
    except ValueError:
        from compare.study import store

        return store.of_trajectories(Path(text), lambda held: Gradient.of(held, run))
    return Gradient.of(number, run)
