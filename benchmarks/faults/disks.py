"""A disk that is full after so many bytes: limits on the size of a file stand in for it."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

from tally import Tally, one_sentence, start

SIZES = (0, 1, 100, 2_000, 10_000, 30_000, 60_000, 100_000, 200_000, 400_000)


def full_disks(folder: Path, study: Path) -> list[Tally]:
    """Every command that writes a file, at many sizes of disk.

    Args:
        folder: to write in.
        study: a whole ``study.nc``.
    """
    (folder / "tiny.toml").write_text(
        'name = "tiny"\ntitle = "Tiny"\nmodel = "mlp-8"\nseeds = 2\nsteps = 200\n'
        "[[settings]]\nlearning_rate = 0.5\nweight_decay = 24e-3\n"
    )
    train = ("train", "--model", "mlp-8", "--lr", 0.5, "--wd", 0.01, "--steps", 300)
    toy = ("simulate", "isotropic", "--lr", 0.1, "--wd", 0.1, "--seeds", 9, "--steps", 999)
    norm = ("simulate", "norm", "--lr", 0.1, "--wd", 0.1, "--grad-norm", 1, "--steps", 9999)
    commands = {
        "run": (("run", "tiny.toml", "--overwrite"), "out"),
        "train": (train, "train.nc"),
        "simulate": (toy, "toy.nc"),
        "simulate norm": (norm, "norm.nc"),
        "thin": (("thin", study), "thin.nc"),
        "report": (("report", study), "report.html"),
    }
    return [at_many_sizes(folder, name, *how) for name, how in commands.items()]


def at_many_sizes(folder: Path, name: str, arguments: tuple[object, ...], out: str) -> Tally:
    row = Tally(f"full disk under `{name}`", "one sentence, nothing half done")
    for size in SIZES:
        place = folder / f"disk-{name.replace(' ', '-')}-{size}"
        place.mkdir()
        running = start(
            folder, *arguments, "--out", place / out, preexec_fn=lambda size=size: limit(size)
        )
        _, said = running.communicate(timeout=300)
        wrong = one_sentence(running.returncode, said)
        left = [path.name for path in place.rglob("*") if "partial" in path.name]
        row.note(f"{size} bytes", wrong or (f"left behind: {left}" if left else ""))
    return row


def limit(size: int) -> None:
    """Let no file of this process grow beyond a size; writes beyond it fail."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
