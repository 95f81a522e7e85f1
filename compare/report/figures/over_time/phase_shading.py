"""Phases A, B and C as shading behind trajectories, and their shares as a table."""

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Patch, Rectangle

from compare.measure import phases
from compare.report.html import theme

SHADES = {name: shade.light for name, shade in theme.PHASES.items()}
NAMES = {"A": "phase A: g falls", "B": "phase B: g rises", "C": "phase C: the norm jumps"}


def shade(axis: Axes, run: xr.Dataset, n_steps: int) -> None:
    """Shade the phases of one run of the comparison; nothing for a run without jumps."""
    borders = np.column_stack([run[name].values for name in phases.BORDERS]).ravel()
    names = np.resize(phases.PHASES, len(borders))
    known = np.isfinite(borders)
    edges = [*borders[known].tolist(), n_steps]
    for name, (low, high) in zip(names[known], pairwise(edges), strict=True):
        if high > low:
            order = 0.1 * phases.PHASES.index(name)  # jumps are narrow: their edges lie on top
            axis.axvspan(low, high, color=SHADES[str(name)], lw=0.8, zorder=order)


def legend_patches(*axes: Axes) -> list[Patch]:
    """A patch for each phase that is seen, for the legend."""
    seen = {to_hex(one.get_facecolor()) for axis in axes for one in _shown(axis)}
    return [
        Patch(color=SHADES[phase], label=text)
        for phase, text in NAMES.items()
        if to_hex(SHADES[phase]) in seen
    ]


def _shown(axis: Axes) -> list[Rectangle]:
    """Spans that reach into the axis."""
    low, high = axis.get_xlim()
    spans = [one for one in axis.patches if isinstance(one, Rectangle)]
    return [one for one in spans if one.get_x() < high and one.get_x() + one.get_width() > low]
