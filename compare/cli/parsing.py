"""What all commands share: exit codes, and a parser whose errors are one line."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import NoReturn, TypeAlias

DONE, BAD_INPUT, DIVERGED, INTERRUPTED = 0, 2, 3, 130
HEAD, TAIL = 400, 160  # characters of a long sentence that are shown


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and where to look, and exit with 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


# argparse has no public name for it
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_set(parser: argparse.ArgumentParser, examples: str) -> None:
    """Declare ``--set KEY=VALUE``, for all keys of a recipe that have no option of their own."""
    parser.add_argument(
        "--set",
        dest="others",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"any other key of a study's recipe, e.g. {examples}",
    )


def refuse(sentence: str) -> int:
    """Say on stderr what was wrong with the input, and return the exit code for it."""
    print(f"sawtooth: {one_line(sentence)}", file=sys.stderr)
    return BAD_INPUT


def one_line(text: object) -> str:
    """A text in one line, its middle left out where it is long, as with a long value or path."""
    line = " ".join(str(text).split())
    line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
    if len(line) <= HEAD + TAIL:
        return line
    return f"{line[:HEAD]} [...] {line[-TAIL:]}"


def as_count(text: str) -> int:
    """A whole number, which may be written as 1e5 too.

    Raises:
        ArgumentTypeError: if it is none.
    """
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        if (number := float(text)).is_integer():
            return int(number)
    raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")


def as_path(text: str) -> Path:
    """The path of an option.

    Raises:
        ArgumentTypeError: if it is empty, which would be the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("a path must not be empty")
    return Path(text)


def say_stopped(reason: Exception) -> int:
    """Say that training was interrupted, and return the exit code for it."""
    print(f"sawtooth: {reason}; resume with --resume", file=sys.stderr)
    return INTERRUPTED


def say_diverged(diverged: list[str]) -> int:
    """Say which runs diverged, and return the exit code for it."""
    runs = f"{len(diverged)} runs diverged, first" if len(diverged) > 1 else "one run diverged:"
    print(f"sawtooth: {runs} {diverged[0]}", file=sys.stderr)
    return DIVERGED
