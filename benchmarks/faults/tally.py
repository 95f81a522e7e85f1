"""What was tried and what held, and how a command is called here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
COST = "steps in all: about"  # of the line that says beforehand what a command takes
SHOWN = 3  # failures of a kind that are printed


@dataclass
class Tally:
    """One row of the table: a kind of fault, how often it was tried, how often it held."""

    kind: str
    wanted: str
    n_tried: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, case: str, reason: str) -> None:
        """Count a case; ``reason`` says what was wrong, "" if nothing was."""
        self.n_tried += 1
        if reason:
            self.failures.append(f"{case}: {reason}")

    def row(self) -> str:
        held = self.n_tried - len(self.failures)
        return f"| {self.kind} | {self.wanted} | {self.n_tried} | {held} |"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "compare.cli.main", *map(str, arguments)]


def start(folder: Path, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A command in a session of its own, so that a signal reaches it alone."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
        **options,
    )


def one_sentence(code: int, said: str, *, allowed: tuple[int, ...] = (0, 2, 3)) -> str:
    """What is wrong with how a command ended; "" if it ended as promised."""
    if code not in allowed:
        return f"exit code {code}: {said[-300:]!r}"
    lines = [line for line in said.splitlines() if COST not in line]
    if code == 2 and (len(lines) != 1 or len(said) > 2000):
        return f"no single sentence: {said[-300:]!r}"
    return "a traceback" if "Traceback" in said else ""
