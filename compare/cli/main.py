"""The entry point: pick the command, run it, and turn a user's mistake into one sentence."""

import errno
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from compare.cli import bench, diagnose, forecast, predict, report, run, train
from compare.cli.files import merge, thin
from compare.cli.parsing import DONE, INTERRUPTED, Parser, one_line, refuse
from compare.cli.toys import simulate

COMMANDS = (run, forecast, train, predict, diagnose, simulate, report, merge, thin, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _write_any_text()
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.execute is None:
        parser.print_help()
        return DONE
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # that it has no home, for example
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning  # type: ignore[assignment]
            warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")  # no matter
            code = int(options.execute(options))
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        print("sawtooth: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError) as error:
        return refuse(_said(error))
    except ArithmeticError as error:
        return refuse(f"the numbers given leave the range of floating point ({error.args[-1]})")
    except MemoryError as error:
        return refuse(f"memory does not hold what was asked for ({error or 'out of memory'})")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision", "sklearn"):
            raise
        return refuse(
            f"training networks needs {error.name}, which is not installed; "
            "install the extra 'networks', as README says"
        )


def _say_warning(message: Warning | str, *_: object) -> None:
    """A warning as one line on stderr, without the line of code that gave it."""
    print(f"sawtooth: warning: {one_line(message)}", file=sys.stderr)


def _said(error: Exception) -> str:
    """What an error says; of the system's, the file and the reason."""
    if not isinstance(error, OSError):
        return str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EPIPE):  # our files have names, but not the answer
        return f"standard output: {error.strerror}"
    return str(error)


def _write_any_text() -> None:
    """Let answers hold what the terminal cannot show: a path in Greek where it knows ASCII."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="sawtooth",
        description="Predict and measure the periodic dynamics of normalised networks "
        "trained with weight decay.",
    )
    parser.set_defaults(execute=None)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
