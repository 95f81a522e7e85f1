"""A study of networks as its file holds it, with what all figures and tables of its page share."""

import json
from dataclasses import dataclass
from typing import Any, Self

import xarray as xr

from compare.measure.over_seeds import by_setting


@dataclass(frozen=True)
class SavedStudy:
    """A study of networks, read and aggregated once.

    Attributes:
        config: the study as it was asked for.
        provenance: where its numbers come from.
        networks: measured trajectories.
        theory: trajectories of the theory.
        comparison: observables and predictions along ``run``.
        settings: the same along ``setting``, aggregated over seeds.
        calibration: table of the calibrated parameters; empty where nothing was calibrated.
    """

    config: dict[str, Any]
    provenance: dict[str, Any]
    networks: xr.Dataset
    theory: xr.Dataset
    comparison: xr.Dataset
    settings: xr.Dataset
    calibration: xr.Dataset

    @classmethod
    def of(cls, tree: xr.DataTree) -> Self:
        """The study that ``compare.study.store.read`` has read."""
        networks, theory, comparison = (
            tree[name].to_dataset() for name in ("empirical", "theory", "comparison")
        )
        kept = {"trajectories kept": tree.attrs["thinned"]} if "thinned" in tree.attrs else {}
        held = "calibration" in tree.children
        return cls(
            config=json.loads(tree.attrs["config"]),
            provenance=json.loads(tree.attrs["provenance"]) | kept,
            networks=networks,
            theory=theory,
            comparison=comparison,
            settings=by_setting(comparison),
            calibration=tree["calibration"].to_dataset() if held else xr.Dataset(),
        )
