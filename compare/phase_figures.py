"""Phases A, B and C as shading behind trajectories, and their shares as a table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from compare import phases, theme
from compare.tables import Table, each_setting, number, setting_name
from theory.trajectory import record_every

SHADES = {name: shade.light for name, shade in theme.PHASES.items()}
NAMES = {"A": "phase A: g falls", "B": "phase B: g rises", "C": "phase C: the norm jumps"}


def shade(axis: Axes, trajectories: xr.Dataset, run: str) -> None:
    """Shade the phases of one run behind its steps; nothing for a run without jumps."""
    phase = phases.of_each_step(phases.of_run(trajectories, run))
    every = record_every(trajectories)
    borders = np.flatnonzero(phase[1:] != phase[:-1]) + 1
    edges = [0, *borders.tolist(), len(phase)]
    for low, high in pairwise(edges):
        if high > low and (name := str(phase[low])):
            order = 0.1 * phases.PHASES.index(name)  # jumps are narrow: their edges lie on top
            axis.axvspan(every * low, every * high, color=SHADES[name], lw=0.8, zorder=order)


def legend_patches(*axes: Axes) -> list[Patch]:
    """A patch for each phase, for the legend; none where nothing was shaded."""
    shaded = any(axis.patches for axis in axes)
    return [Patch(color=SHADES[p], label=text) for p, text in NAMES.items() if shaded]


def phase_table(settings: xr.Dataset) -> Table:
    """Shares of the phases of every setting with jumps: measured, and the theory's."""
    rows = []
    for one in each_setting(settings):
        names = [f"phase_{name.lower()}_share" for name in phases.PHASES]
        if not np.isfinite(float(one[names[0]])):
            continue
        row = [setting_name(one), str(one["regime"].values)]
        row += [number(float(one[name]), float(one[f"{name}_sem"])) for name in names]
        if f"predicted_{names[0]}" in settings:
            row += [number(float(one[f"predicted_{name}"])) for name in names]
        rows.append(row)
    head = ["setting", "regime", *(f"phase {name}" for name in phases.PHASES)]
    if "predicted_phase_a_share" in settings:
        head += [f"{name}, theory" for name in phases.PHASES]
    return Table("Phases — shares of the time, from first rise to last landing", head, rows)
