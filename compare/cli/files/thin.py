"""``sawtooth thin``: a small copy of a study file."""

import argparse

from compare.cli.parsing import DONE, Commands, as_path


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("thin", help="a small copy of a study file, to keep or to send")
    parser.add_argument("file", type=as_path, metavar="STUDY.nc", help="what run has written")
    parser.add_argument("--out", type=as_path, required=True, help="netCDF file to write")
    parser.add_argument("--megabytes", type=float, default=2.0, help="largest size (default: 2)")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the copy and say what it keeps."""
    from compare.study import store, thin
    from theory import files, validate

    validate.positive("megabytes", options.megabytes)
    with files.new_file(options.out), store.blaming(options.file):
        study = store.read(options.file)
        kept = thin.write(options.out, study, most_bytes=int(1e6 * options.megabytes))
    print(f"data:   {options.out} ({kept})")
    return DONE
