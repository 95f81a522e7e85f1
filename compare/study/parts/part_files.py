"""Finished parts on disk, their checkpoints, and all of them as one Dataset."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from compare.study import store
from compare.study.design import Study
from compare.study.parts.dealing import Part, digest
from compare.study.results_folder import PARTS_FOLDER
from theory import files, strict_dataclass, trajectory
from theory.trajectory import series_file

STUDY = "study.json"
MOST_NAMED = 3  # runs that a message names


@dataclass(frozen=True)
class PartFiles:
    """The folder ``parts`` of a results folder, which workers see if they share its file system.

    Attributes:
        folder: the folder, absolute.
        study: digest of the study's configuration, so that no other study's parts are taken.
    """

    folder: Path
    study: str

    @classmethod
    def of(cls, study: Study, out: Path) -> PartFiles:
        """Those of a study in its results folder, which need not exist."""
        return cls(out.absolute() / PARTS_FOLDER, digest(study.to_json()))

    @property
    def stop_file(self) -> Path:
        """Where it appears, workers save and end."""
        return self.folder / "stop"

    def file(self, part: Part) -> Path:
        """Trajectories of a finished part."""
        return self.folder / f"{part.name}.nc"

    def checkpoint(self, part: Part) -> Path:
        """Checkpoint of an unfinished part."""
        return self.folder / f"{part.name}.pt"

    def steps_file(self, part: Part) -> Path:
        """How far a part is that is being trained."""
        return self.folder / f"{part.name}.steps"

    def config_of(self, part: Part) -> str:
        """What a part's checkpoint belongs to."""
        return f"{self.study}/{part.name}"

    def make(self, study: Study) -> None:
        """Make the folder, or take up that of the same study.

        Raises:
            ValueError: if it holds parts of another study.
            OSError: if it cannot be written.
        """
        held = self.folder / STUDY
        if held.exists() and not self.seen():
            raise ValueError(
                f"{self.folder} holds parts of another study; use --overwrite or --out DIR"
            )
        files.write_text(held, study.to_json())
        self.stop_file.unlink(missing_ok=True)
        for left in self.folder.glob("*.steps"):  # by workers that were killed
            left.unlink(missing_ok=True)

    def seen(self) -> bool:
        """Whether the folder is there and is that of this study."""
        try:
            return digest((self.folder / STUDY).read_text(encoding="utf-8")) == self.study
        except OSError:
            return False

    def keep(self, part: Part, trajectories: xr.Dataset) -> None:
        """Write a finished part and remove its checkpoint.

        Raises:
            OSError: if it cannot be written; the checkpoint stays.
        """
        store.write_trajectories(
            self.file(part),
            trajectories,
            config=self.config_of(part),
            provenance=trajectories.attrs["provenance"],
        )
        series_file.remove_checkpoint(self.checkpoint(part))

    def steps_of_running(self) -> dict[str, float]:
        """Work done of the parts that are being trained, in steps of one network, by name."""
        steps = {}
        for path in self.folder.glob("*.steps"):
            with contextlib.suppress(OSError, ValueError):  # just finished
                steps[path.stem] = float(path.read_text())
        return steps

    def finished(self) -> set[str]:
        """Ids of the runs of all finished parts; raises ``ValueError`` for a damaged file."""
        return {run for path in self.paths() for run in _runs_in(path)}

    def paths(self) -> list[Path]:
        """Files of the finished parts."""
        return sorted(self.folder.glob("*.nc"))

    def remove(self) -> None:
        """Remove the folder with all that is ours in it."""
        for pattern in ("*.nc", "*.pt", "*.pt.series*", "*.steps", "*.partial", "stop", STUDY):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def study_in(out: Path) -> Study:
    """The study whose parts a results folder holds.

    Raises:
        ValueError: if it holds none.
    """
    path = out / PARTS_FOLDER / STUDY
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return strict_dataclass.read(Study, table)
    except OSError as error:
        raise ValueError(f"{out} holds no parts of a study: no {path}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the configuration of a study: {error}") from error


def joined(study: Study, parts: Iterable[Path]) -> tuple[xr.Dataset, str]:
    """All runs of a study from files of its parts, and where they come from, as JSON.

    Raises:
        ValueError: if a run is missing, or a file is damaged.
    """
    found, origins, taken = [], [], set[str]()
    for path in parts:
        part = store.read(path, bare=True).to_dataset()
        with store.blaming(path):
            origins.append(_origin(part))
            new = [run for run in map(str, part["run"].values) if run not in taken]
            taken.update(new)
            found.append(part.set_coords("epoch").sel(run=new))  # all that we trained has epochs
    runs = [run.id for run in study.runs]
    require_all(runs, taken)
    return trajectory.join(found, runs), json.dumps(_origin_of_all(origins))


def _origin(part: xr.Dataset) -> dict[str, object]:
    """Take configuration and provenance off a part; the provenance.

    Raises:
        KeyError: if one of them, or its device, is missing.
        ValueError: if the provenance is no object in JSON.
    """
    del part.attrs["config"]
    origin = json.loads(part.attrs.pop("provenance"))
    return {**origin, "device": origin["device"]}


def require_all(runs: Sequence[str], found: set[str]) -> None:
    """Refuse a study of which runs are missing.

    Raises:
        ValueError: saying how many, and which first.
    """
    missing = [run for run in runs if run not in found]
    if missing:
        named = ", ".join(missing[:MOST_NAMED]) + (", ..." if len(missing) > MOST_NAMED else "")
        raise ValueError(f"{len(missing)} of {len(runs)} runs are missing: {named}")


def _origin_of_all(origins: Sequence[dict[str, object]]) -> dict[str, object]:
    """The provenance of the first part, with the devices of all."""
    devices = sorted({str(one["device"]) for one in origins})
    return {**origins[0], "device": "; ".join(devices), "n_parts": len(origins)}


def _runs_in(path: Path) -> list[str]:
    try:
        with xr.open_dataset(path, engine="h5netcdf") as part:
            return [str(run) for run in part["run"].values]
    except Exception as error:
        raise ValueError(f"{path} is not a readable netCDF file ({error})") from error
