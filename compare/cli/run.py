"""``sawtooth run``: a study from theory and training to its report."""

import argparse
from pathlib import Path

from compare.cli.parsing import DONE, Commands, as_path, say_diverged, say_stopped

OVERRIDES = ("seeds", "cycles", "steps", "device", "data", "model")


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run a study: theory, training, comparison, report")
    parser.add_argument("study", type=as_path, metavar="STUDY.toml", help="study file")
    parser.add_argument("--out", type=as_path, help="results folder (default: results/<name>)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue from what the folder holds")
    again.add_argument("--overwrite", action="store_true", help="start again in the same folder")
    parser.add_argument("--seeds", type=int, help="runs per setting, instead of the file's")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--cycles", type=float, help="expected periods per run, not the file's")
    length.add_argument("--steps", type=int, help="length of every run, instead of the file's")
    parser.add_argument("--data", help="data source, instead of the file's")
    parser.add_argument("--model", help="architecture, instead of the file's")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="instead of the file's")
    parser.add_argument("--full", action="store_true", help="the published size, from table [full]")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the study and say where its data and report are."""
    from compare.study import run_study, toml_file
    from theory import validate

    overrides = {name: getattr(options, name) for name in OVERRIDES}
    if options.steps is not None:
        validate.at_least("steps", options.steps, 1)
    study = toml_file.read(options.study, overrides, full=options.full)
    out = options.out or Path("results") / study.name
    try:
        diverged = run_study.run(study, out, resume=options.resume, overwrite=options.overwrite)
    except run_study.Stopped as stop:
        return say_stopped(stop)
    print(f"data:   {out / run_study.STUDY_FILE}\nreport: {out / run_study.REPORT_FILE}")
    return say_diverged(diverged) if diverged else DONE
