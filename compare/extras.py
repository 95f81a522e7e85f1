"""Figures and tables that only some studies allow: scores, phases, minima, published values."""

from __future__ import annotations

import json

import xarray as xr

from compare import (
    close_up,
    minima_figures,
    phase_figures,
    prediction_figures,
    published_figures,
    published_sizes,
    regime_plane,
)
from compare import (
    score_tables as scored,
)
from compare.tables import Table


def draw(study: xr.DataTree, settings: xr.Dataset) -> dict[str, str]:
    """Draw the figures that a study's data allow, as SVG by name."""
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    return {
        **close_up.draw(networks, comparison, settings),
        **prediction_figures.draw(study, settings),
        **minima_figures.draw(comparison),
        **regime_plane.draw(comparison, settings),
        **published_figures.draw(settings, json.loads(study.attrs["config"])),
    }


def score_tables(study: xr.DataTree, settings: xr.Dataset) -> list[Table]:
    """Make the tables that say how well held-out settings were predicted."""
    comparison = study["comparison"].to_dataset()
    made = []
    if "process_period" in settings and scored.held_out(settings).any():
        made += [scored.winner_table(settings), scored.score_table(settings)]
        made.append(scored.interval_table(settings, comparison))
    if "sphere_equilibrium_norm" in settings:
        made.append(scored.equilibrium_table(settings))
    if "sphere_first_jump" in settings:
        made.append(scored.first_jump_table(settings))
    return [table for table in made if table.rows]


def tables(study: xr.DataTree, settings: xr.Dataset) -> list[Table]:
    """Make the tables that a study's data allow."""
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    config = json.loads(study.attrs["config"])
    made = [
        regime_plane.exponent_table(settings),
        *published_figures.tables(comparison, settings, config),
        *published_sizes.tables(networks, comparison, settings, config),
        *minima_figures.tables(comparison),
    ]
    if "phase_a_share" in settings:
        made.append(phase_figures.phase_table(settings))
    return [table for table in made if table.rows]
