"""``sawtooth run``: a study from theory and training to its report."""

import argparse
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from compare.cli.parsing import DONE, Commands, as_count, as_path, say_diverged, say_stopped

if TYPE_CHECKING:
    from compare.study.design import Study, ToyStudy

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
    length.add_argument("--steps", type=as_count, help="length of every run, instead of the file's")
    parser.add_argument("--data", help="data source, instead of the file's")
    parser.add_argument("--model", help="architecture, instead of the file's")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="instead of the file's")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        metavar="N|ADDRESS",
        help="train on N local processes, or on the workers of a Dask scheduler",
    )
    where.add_argument(
        "--shard", metavar="i/n", help="train the i-th of n shares only, for `sawtooth merge`"
    )
    parser.add_argument("--full", action="store_true", help="the published size, from table [full]")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the study and say where its data and report are."""
    from compare.study import results_folder, run_study, toml_file, train_networks
    from theory import validate

    overrides = {name: getattr(options, name) for name in OVERRIDES}
    if options.steps is not None:
        validate.at_least("steps", options.steps, 1)
    study = toml_file.read(options.study, overrides, full=options.full)
    out = options.out or Path("results") / study.name
    try:
        if options.shard is not None:
            return _run_shard(study, out, options)
        with _executor(study, options.workers) as executor:
            diverged = run_study.run(
                study, out, resume=options.resume, overwrite=options.overwrite, executor=executor
            )
    except train_networks.Stopped as stop:
        return say_stopped(stop)
    print(f"data:   {out / results_folder.STUDY_FILE}\nreport: {out / results_folder.REPORT_FILE}")
    return say_diverged(diverged) if diverged else DONE


def _executor(
    study: "Study | ToyStudy", workers: str | None
) -> AbstractContextManager[Executor | None]:
    """Where the networks are trained: here, or by Dask."""
    if workers is None:
        return nullcontext()
    from compare.study.parts import dask_workers

    return dask_workers.connected(workers, device=_networks(study, "--workers").device)


def _run_shard(study: "Study | ToyStudy", out: Path, options: argparse.Namespace) -> int:
    """Train one share, and say what to do with it."""
    from compare.study import run_study
    from compare.study.parts import shards

    kept, diverged = run_study.run_shard(
        _networks(study, "--shard"),
        out,
        *shards.parse(options.shard),
        resume=options.resume,
        overwrite=options.overwrite,
    )
    print(f"shard:  {kept}\nwhen all are there: sawtooth merge {out}")
    return say_diverged(diverged) if diverged else DONE


def _networks(study: "Study | ToyStudy", option: str) -> "Study":
    """The study, if it has networks to train; raises ``ValueError`` if it has none."""
    from compare.study.design import Study

    if not isinstance(study, Study):
        raise ValueError(f"{option} is for studies of networks; a study of toys uses all cores")
    return study
