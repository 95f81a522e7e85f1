"""Figures of the oscillator in the toys study: its cycles and its map of regimes."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from compare.measure.power_law import period_exponent
from compare.report.figures.style import BASELINE, NETWORK, THEORY, arrange
from compare.report.figures.toys.panels import LOGS, Data, finish, line, panels, points
from theory.arrays import FloatArray
from theory.trajectory.regimes import REGIMES
from theory.vocabulary import VARIABLES, label

COLORS = ("#DCE9F3", "#F0E442", "#9DC7B5", "#B0B0B0")


def closure(data: Data) -> Figure:
    """Period and elr on both sides of the jumps against eta lam, with the period's exponents."""
    figure, (left, right) = panels(height=3.8)
    rates = data["intrinsic_lr"]
    for key, draw, name in (
        ("predicted_period", line, "oscillator"), ("period", points, "simulation"),
    ):  # fmt: skip
        fit = period_exponent(rates, data[key])
        text = f"{name}: exponent {fit.value:.3f} ± {fit.standard_error:.3f}"
        draw(left, rates, data[key], text)
    for side, form, mark in (("before", "-", "o"), ("after", "--", "s")):
        line(right, rates, data[f"predicted_{side}"], f"oscillator, {side} a jump", form)
        points(right, rates, data[side], f"simulation, {side} a jump", form=mark)
    left.set(**LOGS, xlabel=label("intrinsic_lr"), ylabel=VARIABLES["period"].label)
    right.set(**LOGS, xlabel=label("intrinsic_lr"), ylabel=label("effective_lr"))
    left.legend(loc="lower left")
    return finish(figure, right, loc="center right")


def regimes(data: Data) -> Figure:
    """Both maps of regimes side by side, with lines of equal eta lam."""
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.4), sharex=True, sharey=True)
    maps = (("simulated", "simulation", NETWORK), ("predicted", "oscillator", THEORY))
    for axis, (key, title, color) in zip(axes, maps, strict=True):
        _draw_map(axis, data["lr"], data["wd"], data[key])
        axis.set_title(title, color=color)
        axis.set_xlabel(label("learning_rate"))
    axes[0].set_ylabel(label("weight_decay"))
    names = zip(REGIMES, COLORS, strict=True)
    handles = [Patch(color=color, label=regime) for regime, color in names]
    if np.isnan(data["predicted"]).any():
        handles.append(Patch(facecolor="white", edgecolor=BASELINE, label="no statement"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    arrange(figure, rect=(0, 0.07, 1, 1))
    return figure


def _draw_map(axis: Axes, rates: FloatArray, decays: FloatArray, numbers: FloatArray) -> None:
    """One map; cells without a regime stay white."""
    axis.grid(visible=False)
    cells, edge = np.ma.masked_invalid(numbers.T), len(COLORS) - 0.5
    colors = ListedColormap(COLORS)
    axis.pcolormesh(rates, decays, cells, cmap=colors, vmin=-0.5, vmax=edge, shading="nearest")
    axis.set(**LOGS)
    x_limits, y_limits = axis.get_xlim(), axis.get_ylim()
    for power in range(-12, 3):
        axis.plot(x_limits, 10.0**power / np.array(x_limits), ":", color=BASELINE, lw=0.6)
    axis.set(xlim=x_limits, ylim=y_limits)
