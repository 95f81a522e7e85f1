"""The command ``sawtooth``. Heavy imports live inside the subcommands."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

DONE, BAD_INPUT, DIVERGED, INTERRUPTED = 0, 2, 3, 130


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and where to look, and exit with 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        print("sawtooth: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError) as error:
        return _refuse(" ".join(str(error).split()))
    except ArithmeticError as error:
        return _refuse(f"the numbers given leave the range of floating point ({error.args[-1]})")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "sklearn"):
            raise
        return _refuse(f"training needs {error.name}: pip install 'sawtooth[networks]'")


def _refuse(sentence: str) -> int:
    print(f"sawtooth: {sentence}", file=sys.stderr)
    return BAD_INPUT


def _parser() -> Parser:
    parser = Parser(
        prog="sawtooth",
        description="Predict and measure the periodic dynamics of normalised networks "
        "trained with weight decay.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    run = commands.add_parser("run", help="run a study: theory, training, comparison, report")
    run.add_argument("study", type=Path, metavar="STUDY.toml", help="study file")
    run.add_argument("--out", type=Path, help="results folder (default: results/<name>)")
    again = run.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on from what the folder holds")
    again.add_argument("--overwrite", action="store_true", help="start again in the same folder")
    run.add_argument("--seeds", type=int, help="runs per setting, instead of the file's")
    length = run.add_mutually_exclusive_group()
    length.add_argument("--cycles", type=float, help="expected cycles per run, not the file's")
    length.add_argument("--steps", type=int, help="length of every run, instead of the file's")
    run.add_argument("--data", help="data source, instead of the file's")
    run.add_argument("--model", help="architecture, instead of the file's")
    run.add_argument("--device", choices=("auto", "cpu", "cuda"), help="instead of the file's")
    run.add_argument("--full", action="store_true", help="the published size, from table [full]")
    run.set_defaults(command=_run)

    train = commands.add_parser("train", help="train networks and record them, without a theory")
    train.add_argument("--lr", type=float, nargs="+", required=True, help="learning rates")
    train.add_argument("--wd", type=float, nargs="+", required=True, help="weight decays")
    train.add_argument("--momentum", type=float, nargs="+", default=[0.0], help="(default: 0)")
    train.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    train.add_argument("--steps", type=int, required=True, help="optimizer steps")
    train.add_argument("--model", help="architecture, or MODULE:CALLABLE (default: mlp-64-64)")
    train.add_argument("--data", help="data source (default: digits)")
    train.add_argument("--batch-size", type=int, help="examples in a batch (default: 128)")
    train.add_argument(
        "--set",
        dest="others",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of a study's recipe, e.g. augment=true, clip=2.0, full_batch=true",
    )
    train.add_argument("--eval-every", type=int, default=100, help="(default: 100 steps)")
    train.add_argument("--group-size", type=int, default=0, help="most runs trained as one")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    train.add_argument("--out", type=Path, required=True, help="netCDF file to make")
    train.add_argument("--resume", action="store_true", help="go on from an interrupted train")
    train.set_defaults(command=_train)

    predict = commands.add_parser("predict", help="closed forms for one learning rate and decay")
    predict.add_argument("--lr", type=float, required=True, help="learning rate")
    predict.add_argument("--wd", type=float, required=True, help="weight decay")
    predict.add_argument(
        "--from",
        dest="study",
        type=Path,
        metavar="STUDY.nc",
        help="predict period, jumps and regime with the model that this study has calibrated; "
        "takes none of the options below but --json",
    )
    predict.add_argument(
        "--optimizer",
        choices=("sgd", "adamw", "adam", "lion"),
        default="sgd",
        help="adam is Adam with L2 regularisation, adamw and lion decay the weights themselves",
    )
    predict.add_argument(
        "--grad-norm",
        type=float,
        help="root mean square effective gradient norm (weight norm times gradient norm); needed "
        "for sgd and for adam, where it counts as spread evenly over the weights; adamw and lion "
        "do not depend on it",
    )
    predict.add_argument("--momentum", type=float, help="of sgd (default: none)")
    predict.add_argument("--n-weights", type=int, help="scale-invariant weights; not for sgd")
    predict.add_argument("--beta1", type=float, help="of adam, adamw, lion (default: 0.9)")
    predict.add_argument(
        "--beta2", type=float, help="of adam, adamw (default: 0.999), lion (default: 0.99)"
    )
    predict.add_argument("--rho0", type=float, help="initial weight norm, for the way there")
    predict.add_argument("--json", action="store_true", help="print JSON")
    predict.set_defaults(command=_predict)

    simulate = commands.add_parser("simulate", help="toy dynamics over a grid of settings")
    simulate.add_argument(
        "loss",
        metavar="LOSS",
        help="rayleigh[:a1,a2,...], multi-block[:a1,...], isotropic[:d], logistic[:scale] "
        "or a formula such as 'x**2/(x**2+y**2)'",
    )
    simulate.add_argument("--lr", type=float, nargs="+", required=True, help="learning rates")
    simulate.add_argument("--wd", type=float, nargs="+", required=True, help="weight decays")
    simulate.add_argument("--seeds", type=int, default=1, help="seeds of each setting (default: 1)")
    simulate.add_argument("--steps", type=int, default=10_000, help="steps (default: 10000)")
    simulate.add_argument(
        "--record-every", type=int, default=100, help="steps between records (default: 100)"
    )
    simulate.add_argument("--out", type=Path, required=True, help="netCDF file to make")
    simulate.add_argument("--rho0", type=float, default=1.0, help="initial norm (default: 1)")
    simulate.add_argument(
        "--schedule",
        choices=("constant", "step", "cosine", "rising", "growing"),
        default="constant",
        help="of the learning rate; growing: the twin without decay (default: constant)",
    )
    simulate.add_argument("--momentum", type=float, default=0.0, help="(default: 0)")
    simulate.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="standard deviation of the effective gradient per tangent direction (default: 0)",
    )
    simulate.add_argument(
        "--sphere", action="store_true", help="fix the norm at 1; --lr is then the effective lr"
    )
    simulate.set_defaults(command=_simulate)

    report = commands.add_parser("report", help="write the report of a saved file")
    saved = report.add_mutually_exclusive_group(required=True)
    saved.add_argument(
        "file", type=Path, nargs="?", metavar="FILE.nc", help="what run or a monitor has written"
    )
    saved.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A.nc", "B.nc"),
        help="set two studies side by side on one page",
    )
    report.add_argument(
        "--out", type=Path, help="HTML file (default: beside FILE.nc; compare.html beside A.nc)"
    )
    report.add_argument("--figures", type=Path, metavar="DIR", help="also write the figures, SVG")
    report.set_defaults(command=_report)

    thin = commands.add_parser("thin", help="a small copy of a study file, to be kept or sent")
    thin.add_argument("file", type=Path, metavar="STUDY.nc", help="what run has written")
    thin.add_argument("--out", type=Path, required=True, help="netCDF file to make")
    thin.add_argument("--megabytes", type=float, default=2.0, help="largest size (default: 2)")
    thin.set_defaults(command=_thin)

    bench = commands.add_parser("bench", help="side-by-side benchmarks (from a source checkout)")
    bench.set_defaults(command=_bench)
    return parser


def _run(options: argparse.Namespace) -> int:
    from compare import study, study_file
    from theory import validate

    names = ("seeds", "cycles", "steps", "device", "data", "model")
    overrides = {name: getattr(options, name) for name in names}
    if options.steps is not None:
        validate.at_least("steps", options.steps, 1)
    chosen = study_file.read(options.study, overrides, full=options.full)
    out = options.out or Path("results") / chosen.name
    try:
        diverged = study.run(chosen, out, resume=options.resume, overwrite=options.overwrite)
    except study.Stopped as stop:
        print(f"sawtooth: {stop}; go on with --resume", file=sys.stderr)
        return INTERRUPTED
    print(f"data:   {out / study.STUDY_FILE}\nreport: {out / study.REPORT_FILE}")
    if diverged and not getattr(chosen, "expect_divergence", False):
        return _say_diverged(diverged)
    return DONE


def _train(options: argparse.Namespace) -> int:
    from compare import study, study_file
    from theory import validate

    validate.at_least("steps", options.steps, 1)
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
    chosen = study_file.study_of_networks(
        {**given, **recipe, **study_file.assignments(options.others), "settings": grid}
        | {"name": "train", "title": f"Training of {recipe.get('model', 'mlp-64-64')}"}
    )
    try:
        diverged = study.train_alone(chosen, options.out, resume=options.resume)
    except study.Stopped as stop:
        print(f"sawtooth: {stop}; go on with --resume", file=sys.stderr)
        return INTERRUPTED
    print(f"data:   {options.out}")
    return _say_diverged(diverged) if diverged else DONE


def _say_diverged(diverged: list[str]) -> int:
    print(f"sawtooth: {len(diverged)} runs diverged, first {diverged[0]}", file=sys.stderr)
    return DIVERGED


def _predict(options: argparse.Namespace) -> int:
    from compare import predict

    result = predict.from_study(options) if options.study else predict.answer(options)
    print(json.dumps(result) if options.json else predict.as_lines(result))
    return DONE


def _simulate(options: argparse.Namespace) -> int:
    from compare import simulate

    print(f"data:   {simulate.run(options)}")
    return DONE


def _report(options: argparse.Namespace) -> int:
    if options.compare:
        return _compare(options)
    from compare import report, store

    study = store.read(options.file, bare=True)
    name = "report.html" if study.children else options.file.with_suffix(".html").name
    out = options.out or options.file.with_name(name)
    report.write(out, study)
    print(f"report: {out}")
    for path in report.write_figures(options.figures, study) if options.figures else []:
        print(f"figure: {path}")
    return DONE


def _thin(options: argparse.Namespace) -> int:
    from compare import store, thinned
    from theory import validate

    validate.positive("megabytes", options.megabytes)
    if options.out.exists():
        raise ValueError(f"{options.out} exists; choose another --out or remove it")
    study = store.read(options.file)
    kept = thinned.write(options.out, study, most_bytes=int(1e6 * options.megabytes))
    print(f"data:   {options.out} ({kept})")
    return DONE


def _compare(options: argparse.Namespace) -> int:
    from compare import pair

    if options.figures:
        raise ValueError("--figures does not go with --compare; its figure is saved from the page")
    first, second = options.compare
    out = options.out or first.with_name("compare.html")
    pair.write(out, first, second)
    print(f"report: {out}")
    return DONE


def _bench(options: argparse.Namespace) -> int:
    import subprocess

    script = Path(__file__).parent.parent / "benchmarks" / "run.py"
    if not script.is_file():
        raise ValueError(f"no benchmarks in {script.parent}; run this from a source checkout")
    return subprocess.run([sys.executable, str(script)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
