"""What `sawtooth diagnose` says of runs whose mechanism is known: a confusion table.

    python benchmarks/mechanisms.py [--seeds 12] [--first-seed 100] [--every 1] [--without lr wd]

Trains small networks on the CPU, writes the log of each as CSV and diagnoses the file. Prints
Markdown and keeps the verdicts as JSON.
"""

import argparse
import csv
import itertools
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import mechanism_runs as runs
import numpy as np
import torch

from compare.diagnose import adaptive, chance, edge, epoch, norm_sawtooth
from compare.diagnose.diagnose import NOT_SURE, TOO_LITTLE, diagnose

MECHANISMS = {
    norm_sawtooth.NAME: runs.sawtooth,
    epoch.NAME: runs.epoch,
    adaptive.SLINGSHOT: runs.slingshot,
    adaptive.LAGGING: runs.lagging,
    edge.NAME: runs.edge,
    chance.NAME: runs.none,
    TOO_LITTLE: runs.short,
}
VERDICTS = (*MECHANISMS, NOT_SURE)


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=12, help="of each mechanism (default: 12)")
    parser.add_argument("--first-seed", type=int, default=100, help="0 to 9 served to develop")
    parser.add_argument("--every", type=int, default=1, help="log every so many steps")
    parser.add_argument("--without", nargs="*", default=[], help="columns that the logs lack")
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser.parse_args()


def write(path, log, every, without):
    """The log as a CSV file; its end is where the loss is finite for the last time."""
    names = [name for name in log if name not in without]
    finite = np.isfinite(log["loss"])
    n = len(finite) if finite.all() else int(finite.argmin())
    columns = [
        log[name][:n:every] if isinstance(log[name], np.ndarray) else itertools.repeat(log[name])
        for name in names
    ]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        table.writerows(zip(*columns, strict=False))


def measure(chosen, folder):
    """One row a run: what it is, what was said, and how long the run took to train."""
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    for (name, train), seed in itertools.product(MECHANISMS.items(), seeds):
        began = time.perf_counter()
        log = train(seed)
        took = time.perf_counter() - began
        path = Path(folder) / "log.csv"
        write(path, log, chosen.every, chosen.without)
        found = diagnose(path)
        row = {"mechanism": name, "seed": seed, "verdict": found.verdict, "seconds": round(took, 1)}
        yield row | {"evidence": found.evidence[:1]}


def table(rows):
    """Markdown: a row a mechanism, a column a verdict."""
    lines = [
        "| trained | " + " | ".join(VERDICTS) + " | seconds |",
        "|---" * (len(VERDICTS) + 2) + "|",
    ]
    for name in MECHANISMS:
        own = [row for row in rows if row["mechanism"] == name]
        said = Counter(row["verdict"] for row in own)
        cells = [str(said[verdict] or "") for verdict in VERDICTS]
        lines.append(f"| {name} | {' | '.join(cells)} | {sum(row['seconds'] for row in own):.0f} |")
    right = np.mean([row["verdict"] == row["mechanism"] for row in rows])
    wrong = np.mean([row["verdict"] not in (row["mechanism"], NOT_SURE) for row in rows])
    lines += ["", f"{len(rows)} runs: {100 * right:.1f} % right, {100 * wrong:.1f} % wrong, the "
              f"others {NOT_SURE}."]  # fmt: skip
    return "\n".join(lines)


def main():
    chosen = options()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a slingshot lives on tiny gradients
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(chosen, folder):
            rows.append(row)
            print(row["mechanism"], row["seed"], "->", row["verdict"], flush=True)
    print("\n" + table(rows))
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
