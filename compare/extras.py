"""Figures and tables that only some studies allow: phases, minima, regimes, published values."""

from __future__ import annotations

import xarray as xr

from compare import phase_figures
from compare.tables import Table


def draw(study: xr.DataTree, settings: xr.Dataset) -> dict[str, str]:
    """Draw the figures that a study's data allow, as SVG by name."""
    return {}


def tables(study: xr.DataTree, settings: xr.Dataset) -> list[Table]:
    """Make the tables that a study's data allow."""
    made = [phase_figures.phase_table(settings)] if "phase_a_share" in settings else []
    return [table for table in made if table.rows]
