"""``sawtooth bench``: the side-by-side benchmarks of a source checkout."""

import argparse
import importlib
import sys
from pathlib import Path

from compare.cli.parsing import Commands

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("bench", help="side-by-side benchmarks (from a source checkout)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/bench.json"),
        metavar="FILE.json",
        help="what was measured (default: results/bench.json)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="OTHER.json",
        help="an earlier such file, to see what has changed",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the benchmarks."""
    if not (BENCHMARKS / "run.py").is_file():
        raise ValueError(f"no benchmarks in {BENCHMARKS}; run this from a source checkout")
    sys.path.insert(0, str(BENCHMARKS))  # as if its scripts were started alone
    try:
        return int(importlib.import_module("run").main(out=options.out, against=options.against))
    finally:
        sys.path.remove(str(BENCHMARKS))
