"""What all figures share: style, colours, axes of steps, thinned series, SVG."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogFormatterSciNotation, MaxNLocator

from compare.report.html import theme
from theory.arrays import FloatArray
from theory.trajectory import record_every, recorded
from theory.vocabulary import label

NETWORK, THEORY, BASELINE = (theme.SHADES[name].light for name in ("network", "theory", "baseline"))
PUBLISHED = theme.SERIES["green"].light
COLORS = tuple(shade.light for shade in theme.SERIES.values())
MAX_POINTS = 1500
NARROW: Any = {"handlelength": 1.2, "columnspacing": 1.0}  # of legends below a single panel
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": theme.GRID.light,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "axes.formatter.min_exponent": 2,  # 0.6 and 20, not powers of ten
    "text.parse_math": False,  # a name may hold dollar signs
    "svg.fonttype": "path",
    "svg.hashsalt": "sawtooth",
    "path.simplify_threshold": 0.3,
}


def count_steps(axis: Axes, name: str = "step") -> None:
    """Make x an axis of optimizer steps: few ticks, short labels (0, 10k, 20k)."""
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(label(name))


def series(source: xr.Dataset, run: str, name: str) -> tuple[FloatArray, FloatArray]:
    """Optimizer steps and values of one quantity of a run, thinned to be drawn."""
    index, values = thin(recorded(source, run, name))
    return int(source["step"].values[0]) + record_every(source) * index, values


def thin(values: FloatArray, max_points: int = MAX_POINTS) -> tuple[FloatArray, FloatArray]:
    """Reduce a series to the lowest and highest value of equal stretches, in order.

    Returns:
        Indices and values, at most ``max_points`` (or all, if there are no more).
    """
    if len(values) <= max_points:
        return np.arange(len(values), dtype=float), values
    stretches = np.array_split(np.arange(len(values)), max_points // 2)
    kept = np.array(
        [sorted((s[values[s].argmin()], s[values[s].argmax()])) for s in stretches]
    ).ravel()
    return kept.astype(float), values[kept]


@contextmanager
def any_names() -> Iterator[None]:
    """Draw names of any script and length without a warning for each: it helps no reader."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        warnings.filterwarnings("ignore", "Tight layout not applied")
        yield


class Powers(LogFormatterSciNotation):
    """Powers of ten without markup, 10⁻² and 3×10⁻²: texts are drawn as they are."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The text of a tick."""
        marked = super().__call__(x, pos)
        text = marked.removeprefix(r"$\mathdefault{").removesuffix("}$").replace(r"\times", "×")
        return re.sub(r"\^\{(.*?)\}", lambda found: found[1].translate(RAISED), text)


def arrange(figure: Figure, *, rect: tuple[float, float, float, float] = (0, 0, 1, 1)) -> None:
    """Fit all labels into a part of the figure."""
    _without_markup(figure)
    figure.tight_layout(rect=rect)


def _without_markup(figure: Figure) -> None:
    """Let logarithmic axes that have matplotlib's own ticks write them as ``Powers``."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if type(axis.get_major_formatter()) is LogFormatterSciNotation:
            axis.set_major_formatter(Powers())
        if type(axis.get_minor_formatter()) is LogFormatterSciNotation:
            axis.set_minor_formatter(Powers())


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, for light and dark pages, and close it."""
    _without_markup(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
    plt.close(figure)
    return theme.with_dark(buffer.getvalue())
