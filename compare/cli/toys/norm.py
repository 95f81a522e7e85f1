"""``sawtooth simulate norm``: the weight norm over time, for gradients that are given."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare.cli.parsing import DONE

if TYPE_CHECKING:
    import xarray as xr

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

    gradient = _gradient(options.grad_norm)
    constant = isinstance(gradient, float)
    return solve_norm(
        options.lr,
        options.wd,
        grad_norm=gradient,
        rho0=1.0 if options.rho0 is None and constant else options.rho0,
        n_steps=DEFAULT_STEPS if options.steps is None and constant else options.steps,
        record_every=1 if options.record_every is None else options.record_every,
        run=options.run,
    )


def _gradient(text: str) -> Any:
    """A number, or the trajectories of a file.

    Raises:
        ValueError: if it is neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    from compare.study import store

    tree = store.read(Path(text), bare=True)
    return (tree["empirical"] if tree.children else tree).to_dataset()
