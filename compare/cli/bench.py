"""``sawtooth bench``: the side-by-side benchmarks of a source checkout."""

import argparse
import subprocess
import sys
from pathlib import Path

from compare.cli.parsing import Commands

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run.py"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("bench", help="side-by-side benchmarks (from a source checkout)")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the benchmarks."""
    if not SCRIPT.is_file():
        raise ValueError(f"no benchmarks in {SCRIPT.parent}; run this from a source checkout")
    return subprocess.run([sys.executable, str(SCRIPT)], check=False).returncode
