"""A study without any engine: one shard here, the others elsewhere, and all of them merged."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from compare.study.design import Study
from compare.study.parts import dealing, part_files
from compare.study.parts.part_files import PartFiles, study_in
from compare.study.parts.train_part import settings_of, train_runs
from theory.trajectory import series_file

__all__ = ["collect", "forget", "parse", "study_in", "train"]


def parse(text: str) -> tuple[int, int]:
    """``i`` and ``n`` of ``"i/n"``.

    Raises:
        ValueError: if it does not have that form.
    """
    i, slash, n = text.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal() and max(len(i), len(n)) < 10):
        raise ValueError(f"a shard must be i/n with 1 <= i <= n, got {text!r}")
    return int(i), int(n)


def train(study: Study, files: PartFiles, i: int, n: int, *, resume: bool) -> Path:
    """Train the i-th of n shares of a study's runs on all cores of this machine.

    Returns:
        The file of its trajectories.

    Raises:
        ValueError: if there is no such share, or it is there already.
        Interrupted: on SIGINT or SIGTERM; the checkpoint is kept.
    """
    part = dealing.shard(study, i, n)
    kept = files.file(part)
    if kept.exists() and resume:
        return kept
    if kept.exists() or (files.checkpoint(part).exists() and not resume):
        raise ValueError(
            f"{kept.parent} holds shard {i}/{n} already, or its checkpoint; use --resume to go on "
            "or --overwrite to train it again"
        )
    files.keep(part, train_runs(part, settings_of(study), files))
    return kept


def forget(study: Study, files: PartFiles, i: int, n: int) -> None:
    """Remove what is there of a shard."""
    part = dealing.shard(study, i, n)
    files.file(part).unlink(missing_ok=True)
    series_file.remove_checkpoint(files.checkpoint(part))


def collect(study: Study, folders: Sequence[Path]) -> tuple[xr.Dataset, str]:
    """The runs of a study from its shards in some results folders, and their provenance.

    Raises:
        ValueError: if a folder holds no shards or those of another study, if a run is missing,
            or a file is damaged.
    """
    for folder in folders:
        if study_in(folder) != study:
            raise ValueError(f"{folder} holds shards of another study than {folders[0]}")
    paths = [path for folder in folders for path in PartFiles.of(study, folder).paths()]
    return part_files.joined(study, paths)
