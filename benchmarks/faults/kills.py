"""kill -9 at a random moment, again and again; then the result must be that of a quiet run."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import xarray as xr
from tally import Tally, start

from compare.study.run_study import open_study

STUDY = """
name = "killed"
title = "Killed"
model = "mlp-8"
seeds = 4
steps = 2500
group_size = 2
checkpoint_seconds = 0.5
eval_every = 100

[[settings]]
learning_rate = 0.5
weight_decay = 24e-3

[[settings]]
learning_rate = 0.5
weight_decay = 12e-3
"""
TRAIN = ("train", "--model", "mlp-8", "--lr", 0.5, "--wd", 0.01, "--seeds", 4, "--steps", 4000)
SIMULATE = ("simulate", "isotropic", "--lr", 0.1, "--wd", 0.01, "--seeds", 2000, "--steps", 100000)
LONGEST = 6.0  # seconds until a kill, if nothing else is said
PATIENCE = 600  # seconds for a run that is left alone


def kills(folder: Path, n_kills: int, seed: int) -> list[Tally]:
    """All commands that write something, killed ``n_kills`` times each."""
    rng = random.Random(seed)
    study = folder / "killed.toml"
    study.write_text(STUDY)
    rows = kills_of(study, folder, n_kills, rng)
    train = Tally("kill -9 during `train`", "resumed, equal")
    once, often = folder / "once.nc", folder / "often.nc"
    finish(folder, *TRAIN, "--out", once)
    command = (*TRAIN, "--out", often)
    rows.append(again_and_again(train, folder, command, ("--resume",), n_kills, rng))
    with xr.open_dataset(once) as first, xr.open_dataset(often) as second:
        equal = first.drop_attrs().identical(second.drop_attrs())
    train.note("the result", "" if equal else "differs")
    simulate = Tally("kill -9 during `simulate`", "nothing half done under its name, runs again")
    command = (*SIMULATE, "--out", folder / "toy.nc")
    rows.append(again_and_again(simulate, folder, command, (), n_kills, rng))
    return rows


def kills_of(
    study: Path, folder: Path, n_kills: int, rng: random.Random, longest: float = LONGEST
) -> list[Tally]:
    """A study of networks in one process and on two workers, against a run that is left alone."""
    quiet, rows = folder / "quiet", []
    finish(folder, "run", study, "--out", quiet)
    for name, workers in (("run", ()), ("run --workers 2", ("--workers", "2"))):
        what = f"kill -9 during `{name}` of `{study.name}`, of any of its processes"
        out = folder / f"killed-{len(workers)}"
        command = ("run", study, "--out", out, *workers)
        row = Tally(what, "resumed, equal")
        row = again_and_again(row, folder, command, ("--resume",), n_kills, rng, longest)
        row.note("the result", difference(quiet, out))
        rows.append(row)
    return rows


def again_and_again(
    row: Tally,
    folder: Path,
    arguments: tuple[object, ...],
    resume: tuple[str, ...],
    n_kills: int,
    rng: random.Random,
    longest: float = LONGEST,
) -> Tally:
    """Kill a command at random moments, start it again, let it end."""
    running = start(folder, *arguments)
    for i in range(n_kills):
        time.sleep(rng.uniform(0.5, longest))
        victims = [running.pid, *workers_of(running.pid)]
        if running.poll() is None:
            psutil.Process(rng.choice(victims)).kill()
        if running.poll() is None and len(victims) > 1:
            time.sleep(0.2)
        if running.poll() is not None:
            _, said = running.communicate()
            row.note(f"kill {i}", said if running.returncode not in (0, -9) else "")
            if running.returncode == 0:
                return row
            running = start(folder, *arguments, *resume)
        else:
            row.note(f"kill {i}", "")
    _, said = running.communicate(timeout=PATIENCE)
    row.note("the last run", said if running.returncode else "")
    return row


def workers_of(client: int) -> list[int]:
    """Processes of a local cluster."""
    try:
        children = psutil.Process(client).children(recursive=True)
        return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def finish(folder: Path, *arguments: object) -> None:
    _, said = (running := start(folder, *arguments)).communicate(timeout=PATIENCE)
    if running.returncode:
        raise RuntimeError(said)


def difference(first: Path, second: Path) -> str:
    """The first group in which two studies differ."""
    one, other = open_study(first), open_study(second)
    for group in one.children:
        if not one[group].to_dataset().identical(other[group].to_dataset()):
            return f"/{group} differs"
    left = {path.name for path in second.iterdir()} - {"study.nc", "report.html"}
    return f"left behind: {left}" if left else ""
