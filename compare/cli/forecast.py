"""``sawtooth forecast``: when a planned run will destabilise, from cheap runs of its network."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from compare.cli.parsing import DONE, Commands, add_set, as_count, as_path, say_stopped

OWN_OPTIONS = ("model", "data", "batch_size")  # that --set does not take


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "forecast", help="when a planned run will destabilise, how often, whether it settles"
    )
    parser.add_argument("--model", default="mlp-64-64", help="architecture, or MODULE:CALLABLE")
    parser.add_argument("--data", default="digits", help="data source (default: digits)")
    parser.add_argument("--batch-size", type=int, default=128, help="(default: 128)")
    add_set(parser, "augment=true, trained=all")
    parser.add_argument("--lr", type=float, required=True, help="learning rate of the planned run")
    parser.add_argument("--wd", type=float, required=True, help="its weight decay")
    parser.add_argument("--momentum", type=float, default=0.0, help="(default: 0)")
    parser.add_argument("--steps", type=as_count, required=True, help="its optimizer steps")
    parser.add_argument(
        "--budget",
        type=float,
        default=0.1,
        help="largest share of its steps that all pilots together may take (default: 0.1)",
    )
    parser.add_argument(
        "--least-speedup",
        type=float,
        default=1.0,
        help="how much faster than the planned run every pilot decays, at least (default: 1)",
    )
    parser.add_argument(
        "--avoid",
        action="store_true",
        help="also say with which decay or rate the run would end before its first jump, and with "
        "which decay it would settle",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=as_path, help="folder (default: results/forecast-<setting>)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on from what the folder holds")
    again.add_argument("--overwrite", action="store_true", help="start again in the same folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Say what the pilots cost, train them, and print the forecast."""
    from compare.cli.predict import as_lines
    from compare.forecast import run_forecast
    from compare.forecast.planned_run import PlannedRun
    from compare.study import results_folder, toml_file, train_networks
    from empirical.training.recipe import Recipe
    from theory.strict_dataclass import read

    recipe: dict[str, Any] = toml_file.assignments(options.others)
    for name in OWN_OPTIONS:
        if name in recipe:
            raise ValueError(f"--set {name} has an option of its own: --{name.replace('_', '-')}")
        recipe[name] = getattr(options, name)
    planned = PlannedRun(
        options.lr,
        options.wd,
        options.steps,
        options.momentum,
        read(Recipe, recipe),
    )
    plan = run_forecast.choose_pilots(
        planned, budget=options.budget, least_speedup=options.least_speedup
    )
    print(run_forecast.cost(planned, plan), file=sys.stderr)
    out = options.out or Path("results") / run_forecast.folder_name(planned)
    try:
        made = run_forecast.run(
            planned,
            plan,
            out,
            device=options.device,
            resume=options.resume,
            overwrite=options.overwrite,
        )
    except train_networks.Stopped as stop:
        return say_stopped(stop)
    result = run_forecast.values(made, avoid=options.avoid)
    if options.json:
        print(json.dumps(result, allow_nan=False))
    else:
        print(as_lines(result))
        print(f"\ndata:   {out / results_folder.STUDY_FILE}")
        print(f"report: {out / results_folder.REPORT_FILE}")
    return DONE
