"""``sawtooth report``: the report of a saved file, or of two studies side by side."""

import argparse

from compare.cli.parsing import DONE, Commands, as_path


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="write the report of a saved file")
    saved = parser.add_mutually_exclusive_group(required=True)
    saved.add_argument(
        "file", type=as_path, nargs="?", metavar="FILE.nc", help="what run or a monitor has written"
    )
    saved.add_argument(
        "--compare",
        type=as_path,
        nargs=2,
        metavar=("A.nc", "B.nc"),
        help="set two studies side by side on one page",
    )
    parser.add_argument(
        "--out", type=as_path, help="HTML file (default: beside FILE.nc; compare.html beside A.nc)"
    )
    parser.add_argument("--figures", type=as_path, metavar="DIR", help="also write the figures")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the report and say where it is."""
    if options.compare:
        return _of_two_studies(options)
    from compare import report
    from compare.study import store

    study = store.read(options.file, bare=True)
    out = options.out or report.default_path(options.file, study)
    with store.blaming(options.file):
        report.write(out, study)
        figures = report.write_figures(options.figures, study) if options.figures else []
    print(f"report: {out}", *(f"figure: {path}" for path in figures), sep="\n")
    return DONE


def _of_two_studies(options: argparse.Namespace) -> int:
    from compare.report.pages import pair

    if options.figures:
        raise ValueError("--figures does not go with --compare; save its figure from the page")
    first, second = options.compare
    out = options.out or first.with_name("compare.html")
    pair.write(out, first, second)
    print(f"report: {out}")
    return DONE
