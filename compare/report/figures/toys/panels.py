"""What the figures of the toys study have in common."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compare.report.figures.style import NETWORK, THEORY
from compare.report.html import theme
from theory.arrays import FloatArray

SIMULATION = NETWORK
# several simulated series in one panel
SERIES = (NETWORK, *(theme.SERIES[name].light for name in ("green", "pink", "sky")))
LR_LABEL = "intrinsic learning rate ηλ"
STEP_LABEL = "optimizer step t [steps]"


def panels(count: int = 2, *, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A row of axes."""
    figure, axes = plt.subplots(1, count, figsize=(9.2, height), squeeze=False)
    return figure, list(axes[0])


def finish(figure: Figure) -> Figure:
    """The figure, with its labels inside."""
    figure.tight_layout()
    return figure


def points(axis: Axes, x: FloatArray, y: FloatArray, text: str, color: str = SIMULATION) -> None:
    """Simulated points."""
    axis.plot(x, y, "o", color=color, ms=5, label=text)


def line(axis: Axes, x: FloatArray, y: FloatArray, text: str) -> None:
    """A predicted line."""
    axis.plot(x, y, color=THEORY, lw=1.4, label=text)
