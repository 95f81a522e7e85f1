"""``sawtooth train``: networks over a grid of settings, without a theory."""

import argparse

from compare.cli.parsing import (
    DONE,
    Commands,
    add_set,
    as_count,
    as_path,
    say_diverged,
    say_stopped,
)


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("train", help="train networks and record them, without a theory")
    parser.add_argument("--lr", type=float, nargs="+", required=True, help="learning rates")
    parser.add_argument("--wd", type=float, nargs="+", required=True, help="weight decays")
    parser.add_argument("--momentum", type=float, nargs="+", default=[0.0], help="(default: 0)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    parser.add_argument("--steps", type=as_count, required=True, help="optimizer steps")
    parser.add_argument("--model", help="architecture, or MODULE:CALLABLE (default: mlp-64-64)")
    parser.add_argument("--data", help="data source (default: digits)")
    parser.add_argument("--batch-size", type=int, help="examples in a batch (default: 128)")
    add_set(parser, "augment=true, clip=2.0, full_batch=true")
    parser.add_argument("--eval-every", type=int, default=100, help="(default: 100 steps)")
    parser.add_argument("--group-size", type=int, default=0, help="most runs trained as one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=as_path, required=True, help="netCDF file to write")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Train all settings of the grid and say where their trajectories are."""
    from compare.study import toml_file, train_networks
    from compare.study.design import MOST_RUNS
    from theory import validate

    validate.at_least("steps", options.steps, 1)
    n_settings = len(options.lr) * len(options.wd) * len(options.momentum)
    validate.within("number of settings", n_settings, 1, MOST_RUNS)
    names = ("seeds", "eval_every", "group_size", "device")
    given = {name: getattr(options, name) for name in names}
    recipe = {name: getattr(options, name) for name in ("model", "data", "batch_size")}
    recipe = {name: value for name, value in recipe.items() if value is not None}
    grid = [
        {"learning_rate": lr, "weight_decay": wd, "momentum": momentum, "steps": options.steps}
        for lr in options.lr
        for wd in options.wd
        for momentum in options.momentum
    ]
    study = toml_file.study_of_networks(
        {**given, **recipe, **toml_file.assignments(options.others), "settings": grid}
        | {"name": "train", "title": f"Training of {recipe.get('model', 'mlp-64-64')}"}
    )
    try:
        diverged = train_networks.train_alone(study, options.out, resume=options.resume)
    except train_networks.Stopped as stop:
        return say_stopped(stop)
    print(f"data:   {options.out}")
    return say_diverged(diverged) if diverged else DONE
