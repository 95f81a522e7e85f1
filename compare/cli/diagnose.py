"""``sawtooth diagnose``: which mechanism makes the loss of a run spike, from its log."""

import argparse
import json

from compare.cli.parsing import DONE, Commands, as_path


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagnose", help="which mechanism makes the loss spike, and what would end it"
    )
    parser.add_argument(
        "log",
        type=as_path,
        metavar="RUN.nc|LOG.csv",
        help="what a monitor has saved, or columns step, loss and what there is of lr, wd, "
        "weight_norm, grad_norm, last_layer_norm, steps_per_epoch, optimizer, beta2, momentum",
    )
    parser.add_argument("--run", help="which run of RUN.nc, if it holds several")
    parser.add_argument("--lr", type=float, help="learning rate, where the log lacks it")
    parser.add_argument("--wd", type=float, help="weight decay, likewise; 0 for none")
    parser.add_argument(
        "--steps-per-epoch", type=float, help="steps in one pass over the data; 1 for full batches"
    )
    parser.add_argument("--optimizer", help="its name, such as sgd, adam or rmsprop")
    parser.add_argument("--beta2", type=float, help="decay of Adam's second moment")
    parser.add_argument("--momentum", type=float, help="of sgd")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the verdict with its evidence."""
    from compare.diagnose.diagnose import diagnose

    found = diagnose(
        options.log,
        run=options.run,
        learning_rate=options.lr,
        weight_decay=options.wd,
        steps_per_epoch=options.steps_per_epoch,
        optimizer=options.optimizer,
        beta2=options.beta2,
        momentum=options.momentum,
    )
    print(json.dumps(found.as_dict(), allow_nan=False) if options.json else found)
    return DONE
