"""What `sawtooth diagnose` says of runs whose mechanism is known: a confusion table.

    python benchmarks/mechanisms.py [--seeds 12] [--first-seed 300] [--out FILE.json]

Trains small networks on the CPU, writes logs of each run as CSV, whole and with less in them, and
diagnoses the files. Prints Markdown. Seeds below 300 served to choose the thresholds.
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
from compare.diagnose.diagnose import diagnose
from compare.diagnose.finding import NOT_SURE, TOO_LITTLE

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
WHOLE = "every column, every step"
UNNAMED = ("optimizer", "beta2", "momentum", "last_layer_norm")
# Logs of one run: steps between records, and the columns that are left out.
LOGS = {
    WHOLE: (1, ()),
    "without optimizer, beta2, momentum, last_layer_norm": (1, UNNAMED),
    "the same without steps_per_epoch": (1, (*UNNAMED, "steps_per_epoch")),
    "every 10th step": (10, ()),
    "step and loss alone": (1, (*UNNAMED, "steps_per_epoch", "lr", "wd", *runs.COLUMNS[3:])),
}


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


def measure(seeds, folder):
    """One row a run: what it is, what each of its logs gave, and the seconds of its training."""
    path = Path(folder) / "log.csv"
    for (name, train), seed in itertools.product(MECHANISMS.items(), seeds):
        began = time.perf_counter()
        log = train(seed)
        row = {"mechanism": name, "seed": seed, "seconds": round(time.perf_counter() - began, 1)}
        verdicts = {}
        for kind, (every, without) in LOGS.items():
            write(path, log, every, without)
            verdicts[kind] = diagnose(path).verdict
        yield row | {"verdicts": verdicts}


def table(rows, kind):
    """Markdown: a row a mechanism, a column a verdict."""
    lines = [f"| trained | {' | '.join(VERDICTS)} |", "|---" * (len(VERDICTS) + 1) + "|"]
    for name in MECHANISMS:
        said = Counter(row["verdicts"][kind] for row in rows if row["mechanism"] == name)
        lines.append(f"| {name} | {' | '.join(str(said[one] or '') for one in VERDICTS)} |")
    return "\n".join(lines)


def scores(rows):
    """Markdown: a row a kind of log. Wrong is a mechanism, or none, where another was trained."""
    lines = ["| log | right | not sure, too little data | wrong |", "|---|---|---|---|"]
    for kind in LOGS:
        pairs = [(row["mechanism"], row["verdicts"][kind]) for row in rows]
        right = np.mean([trained == said for trained, said in pairs])
        open_ = np.mean(
            [said in (NOT_SURE, TOO_LITTLE) and said != trained for trained, said in pairs]
        )
        cells = (f"{100 * share:.1f} %" for share in (right, open_, abs(1 - right - open_)))
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=12, help="of each mechanism (default: 12)")
    parser.add_argument("--first-seed", type=int, default=300, help="(default: 300)")
    parser.add_argument("--out", type=Path, help="JSON file")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a slingshot lives on tiny gradients
    rows, seeds = [], range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(seeds, folder):
            rows.append(row)
            print(row["mechanism"], row["seed"], *row["verdicts"].values(), sep=" | ", flush=True)
    print(f"\n{table(rows, WHOLE)}\n\n{scores(rows)}")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(map(json.dumps, rows))
        chosen.out.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
