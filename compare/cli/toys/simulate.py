"""``sawtooth simulate``: toy dynamics, or the norm for given gradients, over a grid of settings."""

import argparse
import sys

from compare.cli.parsing import DONE, Commands, as_count, as_path
from compare.cli.toys import norm


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "simulate", help="toy dynamics, or the norm ODE, over a grid of settings"
    )
    parser.add_argument(
        "loss",
        metavar="LOSS",
        help="rayleigh[:a1,a2,...], multi-block[:a1,...], isotropic[:d], logistic[:scale] "
        "or a formula such as 'x**2/(x**2+y**2)'; or norm: the weight norm for gradients that "
        "--grad-norm gives, by the norm ODE and by the exact recursion",
    )
    parser.add_argument("--lr", type=float, nargs="+", help="learning rates")
    parser.add_argument("--wd", type=float, nargs="+", help="weight decays")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    parser.add_argument("--steps", type=as_count, help="steps (default: 10000, or those recorded)")
    parser.add_argument(
        "--record-every", type=int, help="steps between records (default: 100; of norm: 1)"
    )
    parser.add_argument("--out", type=as_path, required=True, help="netCDF file to write")
    parser.add_argument("--rho0", type=float, help="initial norm (default: 1, or that recorded)")
    parser.add_argument(
        "--schedule",
        choices=("constant", "step", "cosine", "rising", "growing", "probing"),
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
    parser.add_argument(
        "--grad-norm",
        metavar="G|FILE.nc",
        help="of norm: effective gradient norm, a number or what a run recorded; --lr, --wd and "
        "--rho0 are then by default those of the run",
    )
    parser.add_argument("--run", help="of norm: which run of FILE.nc, if it holds several")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Simulate the grid into a new file and say where it is."""
    if options.loss == "norm":
        return norm.execute(options)
    for name in ("lr", "wd"):
        if getattr(options, name) is None:
            raise ValueError(f"a toy loss needs --{name}")
    if options.grad_norm is not None or options.run is not None:
        raise ValueError("--grad-norm and --run are of norm; a toy loss has gradients of its own")
    from tqdm import tqdm

    from theory import validate
    from theory.simulation import write_file
    from theory.simulation.grid import MOST_STEPS, Grid
    from theory.simulation.toy_ensemble import Dynamics
    from theory.toy_losses.by_name import named_loss

    loss = named_loss(options.loss)
    grid = Grid(
        learning_rates=tuple(options.lr),
        weight_decays=tuple(options.wd),
        seeds=range(validate.within("seeds", options.seeds, 1, MOST_STEPS)),
        n_steps=10_000 if options.steps is None else options.steps,
        record_every=100 if options.record_every is None else options.record_every,
        initial_norm=1.0 if options.rho0 is None else options.rho0,
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
