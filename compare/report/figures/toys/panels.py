"""What the figures of the toys study have in common: panels, points, lines, legends."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compare.report.figures.style import NETWORK, THEORY, arrange
from compare.report.html import theme
from theory.arrays import FloatArray

Data = dict[str, FloatArray]  # the series of one figure, by name
SIMULATION = NETWORK
# several simulated series in one panel
SERIES = (NETWORK, *(theme.SERIES[name].light for name in ("green", "pink", "sky")))
LR_LABEL = "intrinsic learning rate ηλ"
STEP_LABEL = "optimizer step t [steps]"
LOGS: Any = {"xscale": "log", "yscale": "log"}
ABOVE: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}  # place of a legend


def panels(count: int = 2, *, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A row of axes."""
    figure, axes = plt.subplots(1, count, figsize=(9.2, height), squeeze=False)
    return figure, list(axes[0])


def finish(figure: Figure, *axes: Axes, **legend: Any) -> Figure:
    """The figure, with a legend in each of the axes and its labels inside."""
    for axis in axes:
        axis.legend(**legend)
    arrange(figure)
    return figure


def points(
    axis: Axes, x: Any, y: FloatArray, text: str, color: str = SIMULATION, form: str = "o"
) -> None:
    """Simulated points."""
    axis.plot(x, y, form, color=color, ms=5, lw=0.8, label=text)


def line(axis: Axes, x: Any, y: FloatArray, text: str | None, form: str = "-") -> None:
    """A predicted line."""
    axis.plot(x, y, form, color=THEORY, lw=1.4, label=text)
