"""``sawtooth merge``: a study of its shards."""

import argparse

from compare.cli.parsing import DONE, Commands, as_path, say_diverged


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("merge", help="make a study of the shards of `run --shard`")
    parser.add_argument(
        "folders",
        type=as_path,
        nargs="+",
        metavar="DIR",
        help="folders that hold its shards",
    )
    parser.add_argument("--out", type=as_path, help="results folder (default: the first given)")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Join the shards, compare them with theory and say where data and report are."""
    from compare.study import results_folder, run_study

    out = options.out or options.folders[0]
    diverged = run_study.merge(options.folders, out)
    print(f"data:   {out / results_folder.STUDY_FILE}\nreport: {out / results_folder.REPORT_FILE}")
    return say_diverged(diverged) if diverged else DONE
