"""Figures and tables that only some studies allow: phases, minima, regimes, published values."""

from __future__ import annotations

import json

import xarray as xr

from compare import minima_figures, phase_figures, published_figures, regime_plane
from compare.tables import Table


def draw(study: xr.DataTree, settings: xr.Dataset) -> dict[str, str]:
    """Draw the figures that a study's data allow, as SVG by name."""
    comparison = study["comparison"].to_dataset()
    return {
        **minima_figures.draw(comparison),
        **regime_plane.draw(comparison, settings),
        **published_figures.draw(settings, json.loads(study.attrs["config"])),
    }


def tables(study: xr.DataTree, settings: xr.Dataset) -> list[Table]:
    """Make the tables that a study's data allow."""
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    config = json.loads(study.attrs["config"])
    made = [
        regime_plane.exponent_table(settings),
        *published_figures.tables(networks, comparison, settings, config),
        *minima_figures.tables(comparison),
    ]
    if "phase_a_share" in settings:
        made.append(phase_figures.phase_table(settings))
    return [table for table in made if table.rows]
