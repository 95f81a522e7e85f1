"""One netCDF file per study, written whole or not at all."""

import functools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from io import IOBase
from pathlib import Path
from typing import Any, TypeVar

import h5py
import xarray as xr

from compare.study import layout
from theory import files, trajectory

DISTRIBUTION = "normtooth"
T = TypeVar("T")
SCHEMA_VERSION = "2"
PACKAGES = ("h5netcdf", "h5py", "matplotlib", "numpy", "scikit-learn", "scipy", "torch", "xarray")


def write(
    path: Path,
    groups: dict[str, xr.Dataset],
    *,
    config: str,
    provenance: str,
) -> None:
    """Write a study file whole, usually ``study.nc``, or not at all; see ``dump``.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    with files.replacing_sealed(path) as file:
        dump(file, groups, config=config, provenance=provenance)


def dump(
    file: IOBase,
    groups: dict[str, xr.Dataset],
    *,
    config: str,
    provenance: str,
    thinned: str = "",
    level: int = 1,
) -> None:
    """Write a study into an open file.

    Args:
        file: where to.
        groups: the Datasets of ``/theory``, ``/empirical`` and ``/comparison``, and for networks
            that of ``/calibration``.
        config: the study as JSON.
        provenance: where the networks come from, as JSON; see ``provenance``.
        thinned: what was kept of the trajectories, if not all; see ``compare.study.thin``.
        level: of the compression, from 1 (fast) to 9 (small).
    """
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    tree.attrs = {
        "schema_version": SCHEMA_VERSION,
        "config": config,
        "provenance": provenance,
        **({"thinned": thinned} if thinned else {}),
    }
    encoding = {f"/{name}": files.compressed(group, level) for name, group in groups.items()}
    files.dump(tree, file, encoding=encoding)


def write_trajectories(
    path: Path, trajectories: xr.Dataset, *, config: str, provenance: str
) -> None:
    """Write one Dataset of trajectories atomically, the same way.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    dataset = trajectories.assign_attrs(config=config, provenance=provenance)
    files.write_dataset(path, dataset)


def read(path: Path, *, bare: bool = False) -> xr.DataTree:
    """Read a study file into memory.

    Args:
        path: the file.
        bare: also take a file with nothing but trajectories, such as a monitor saves.

    Raises:
        ValueError: if it is missing, damaged or not a study file of this schema.
    """
    with _opened(path) as tree:
        _check(path, tree.load(), bare=bare)
        return tree


def read_calibration(path: Path) -> tuple[str, set[int]]:
    """Read what a study has calibrated and of what size its networks are, and no more of the file.

    Returns:
        The attribute ``calibration`` of the comparison, "" where there is none, and the numbers of
        scale-invariant weights of its networks, as far as they are known.

    Raises:
        ValueError: if the file is missing, damaged or not a study file of this schema.
    """
    with _opened(path) as tree:
        _check(path, tree, bare=False)
        held = tree["empirical"].variables
        n_weights = held["n_weights"].values.tolist() if "n_weights" in held else []
        known = {int(one) for one in n_weights if one > 0}  # NaN is not
        return str(tree["comparison"].attrs.get("calibration", "")), known


def of_trajectories(path: Path, use: Callable[[xr.Dataset], T]) -> T:
    """Read the trajectories of a file and make something of them.

    Args:
        path: a study of networks, or a file with nothing but trajectories.
        use: what to make; whatever is wrong then names the file, see ``blaming``.

    Raises:
        ValueError: if the file is missing or damaged, or what ``use`` refuses.
    """
    tree = read(path, bare=True)
    with blaming(path):
        return use((tree["empirical"] if tree.children else tree).to_dataset())


@contextmanager
def _opened(path: Path) -> Iterator[xr.DataTree]:
    """The tree of a file, read as it is asked for.

    Raises:
        ValueError: if the file is missing, damaged or no netCDF file.
    """
    files.check_there(path)
    files.check_seal(path)
    try:
        h5py.File(path).close()  # h5netcdf cannot close what it could not open, and says so
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            yield tree
    except Exception as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path} is not a readable netCDF file ({error})") from error


def _check(path: Path, tree: xr.DataTree, *, bare: bool) -> None:
    """Refuse a tree that is no study file, nor, where that may be, one of bare trajectories."""
    if bare and is_bare(tree):
        trajectory.require(tree.to_dataset(), str(path))
        return
    version = tree.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"{path} {_of_another(version)}")
    layout.check(tree, str(path))


def _of_another(version: object) -> str:
    """What to say of a file by its schema version, where that is not ours."""
    wanted = f"this Sawtooth reads version {SCHEMA_VERSION}"
    if version is None:
        return f"is not a study file of schema version {SCHEMA_VERSION}"
    if not str(version).isdecimal():
        return f"has a damaged schema version, {version!r:.40}; {wanted}"
    if int(str(version)) > int(SCHEMA_VERSION):
        return f"was made by a newer version of Sawtooth (schema version {version}); {wanted}"
    return f"is of the older schema version {version}; {wanted}, so run its study again"


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Name a file in whatever is wrong with it when its content is used.

    What is written here and was not touched since holds what it should, so that an error there is
    one of ours and stays as it is.

    Raises:
        ValueError: in place of errors that what the file holds has led to.
    """
    try:
        yield
    except ValueError as error:
        named = str(path) in str(error)
        raise ValueError(str(error) if named else f"{path}: {error}") from error
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        if files.is_sealed(path):
            raise
        kind = "lacks" if isinstance(error, KeyError) else "cannot be used, it was changed:"
        raise ValueError(f"{path} {kind} {error}") from error


def check_whole(tree: xr.DataTree) -> None:
    """Refuse a study whose trajectories were thinned.

    Raises:
        ValueError: saying what is left of them.
    """
    if kept := tree.attrs.get("thinned"):
        raise ValueError(f"the study was thinned ({kept}), so that it cannot be measured again")


def is_bare(tree: xr.DataTree) -> bool:
    """Whether a file holds trajectories of the schema and nothing else."""
    return not tree.children and bool({"run", "step"} & set(tree.dims))


def is_toys(tree: xr.DataTree) -> bool:
    """Whether a study file holds a study of toys."""
    return bool(json.loads(tree.attrs["config"]).get("kind") == "toys")


def provenance(device: str, arithmetic: Iterable[str]) -> dict[str, Any]:
    """Where a file comes from: code, packages, machine, command and arithmetic."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": _version(DISTRIBUTION),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "command": _writable(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "device": device,
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "precision": f"{', '.join(sorted(set(arithmetic)))} arithmetic, float64 records",
    }


def _writable(text: str) -> str:
    """A text without what UTF-8 cannot hold: bytes of a path in another encoding."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def _git(*arguments: str) -> str:
    """Output of a git command in the source tree; empty where there is none."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
