"""``sawtooth simulate``: toy dynamics over a grid of settings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from compare.cli.parsing import DONE, Commands


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("simulate", help="toy dynamics over a grid of settings")
    parser.add_argument(
        "loss",
        metavar="LOSS",
        help="rayleigh[:a1,a2,...], multi-block[:a1,...], isotropic[:d], logistic[:scale] "
        "or a formula such as 'x**2/(x**2+y**2)'",
    )
    parser.add_argument("--lr", type=float, nargs="+", required=True, help="learning rates")
    parser.add_argument("--wd", type=float, nargs="+", required=True, help="weight decays")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    parser.add_argument("--steps", type=int, default=10_000, help="steps (default: 10000)")
    parser.add_argument(
        "--record-every", type=int, default=100, help="steps between records (default: 100)"
    )
    parser.add_argument("--out", type=Path, required=True, help="netCDF file to write")
    parser.add_argument("--rho0", type=float, default=1.0, help="initial norm (default: 1)")
    parser.add_argument(
        "--schedule",
        choices=("constant", "step", "cosine", "rising", "growing"),
        default="constant",
        help="of the learning rate; growing: the twin without decay (default: constant)",
    )
    parser.add_argument("--momentum", type=float, default=0.0, help="(default: 0)")
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="standard deviation of the effective gradient per tangent direction (default: 0)",
    )
    parser.add_argument(
        "--sphere", action="store_true", help="fix the norm at 1; --lr is then the effective lr"
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Simulate the grid into a new file and say where it is."""
    from tqdm import tqdm

    from theory import validate
    from theory.simulation import write_file
    from theory.simulation.grid import Grid
    from theory.simulation.toy_ensemble import Dynamics
    from theory.toy_losses.by_name import named_loss

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
        path = write_file.write(
            loss,
            grid,
            options.out,
            say=lambda sentence: print(sentence, file=sys.stderr),
            progress=lambda done: bar.update(done - bar.n),
        )
    print(f"data:   {path}")
    return DONE
