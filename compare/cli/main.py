"""The entry point: pick the command, run it, and turn a user's mistake into one sentence."""

import sys
import warnings
from collections.abc import Sequence

from compare.cli import bench, diagnose, forecast, predict, report, run, train
from compare.cli.files import merge, thin
from compare.cli.parsing import DONE, INTERRUPTED, Parser, refuse
from compare.cli.toys import simulate

COMMANDS = (run, forecast, train, predict, diagnose, simulate, report, merge, thin, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.execute is None:
        parser.print_help()
        return DONE
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning  # type: ignore[assignment]
            return int(options.execute(options))
    except KeyboardInterrupt:
        print("sawtooth: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError) as error:
        return refuse(str(error))
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
    print(f"sawtooth: warning: {message}", file=sys.stderr)


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
