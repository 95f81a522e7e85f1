"""A campaign of faults: kills, full disks, odd inputs, damaged files; prints what held.

    python benchmarks/faults [--kills 10] [--inputs 300] [--flips 100] [--edits 100]
                                   [--seed 0]
    python benchmarks/faults --kill studies/digits.toml --kills 20 --longest 20

Minutes on 2 cores. The second kills one study alone, as often as is said, with up to so many
seconds in between. Everything is written to a temporary folder. Exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from damage import Files, damaged, edited
from disks import full_disks
from inputs import call, command_lines, studies
from kills import LONGEST, kills, kills_of
from tally import SHOWN, Tally

import sawtooth

SETTING = ("--lr=0.1", "--wd=0.1")
OF_NORM = ("simulate", "norm", *SETTING)
KINDS = ("kills", "disks", "inputs", "damage")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=KINDS, action="append", help="(default: all)")
    parser.add_argument("--kills", type=int, default=10, help="of each command")
    parser.add_argument("--kill", type=Path, metavar="STUDY.toml", help="nothing but this")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds until a kill")
    parser.add_argument("--inputs", type=int, default=300, help="studies, and command lines")
    parser.add_argument("--flips", type=int, default=100, help="of each kind of file")
    parser.add_argument("--edits", type=int, default=100, help="of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = options.only or KINDS
    with tempfile.TemporaryDirectory(prefix="sawtooth-faults-") as name:
        folder, rows = Path(name), []
        if options.kill:
            rng = random.Random(options.seed)
            study = options.kill.resolve()
            return report(kills_of(study, folder, options.kills, rng, options.longest))
        study = whole_study(folder)
        if "kills" in chosen:
            rows += kills(folder, options.kills, options.seed)
        if "disks" in chosen:
            rows += full_disks(folder, study)
        if "inputs" in chosen:
            rows.append(studies(folder, options.inputs, options.seed))
            rows.append(command_lines(folder, options.inputs, options.seed))
        if "damage" in chosen:
            files = files_to_damage(folder, study)
            rows += damaged(folder, files, options.flips, options.seed)
            rows += edited(folder, files, options.edits, options.seed)
    return report(rows)


def whole_study(folder: Path) -> Path:
    """A small finished study."""
    out = folder / "whole"
    sawtooth.run_study("studies/digits.toml", out, seeds=1, steps=60)
    return out / "study.nc"


def files_to_damage(folder: Path, study: Path) -> Files:
    """One of each kind of file that is written, and commands that read it."""
    recorded, toy, norm = (folder / f"{name}-whole.nc" for name in ("train", "toy", "norm"))
    call("train", "--model=mlp-8", "--lr=0.5", "--wd=0.01", "--steps=60", f"--out={recorded}")
    call("simulate", "isotropic", "--lr=0.1", "--wd=0.1", "--steps=300", f"--out={toy}")
    call(*OF_NORM, "--grad-norm=1", "--steps=300", f"--out={norm}")
    out = folder / "read.nc"
    report = ("report", "FILE", "--out", folder / "read.html")
    bare = (report, ("diagnose", "FILE"), (*OF_NORM, "--grad-norm", "FILE", "--out", out))
    of_study = (report, ("thin", "FILE", "--out", out), ("predict", *SETTING, "--from", "FILE"))
    return {
        "study.nc": (study, of_study),
        "what `train` wrote": (recorded, bare),
        "what `simulate` wrote": (toy, bare),
        "what `simulate norm` wrote": (norm, bare),
    }


def report(rows: list[Tally]) -> int:
    print("| fault | wanted | tried | held |\n|---|---|---|---|")
    for row in rows:
        print(row.row())
    for row in rows:
        for failure in row.failures[:SHOWN]:
            print(f"\n{row.kind}: {failure}", file=sys.stderr)
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    sys.exit(main())
