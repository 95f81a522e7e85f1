"""Figures of the oscillator in the toys study: its cycles and its map of regimes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from compare.measure.power_law import period_exponent
from compare.report.figures.style import BASELINE, NETWORK, THEORY
from compare.report.html import theme
from theory.arrays import FloatArray
from theory.trajectory.regimes import REGIMES
from theory.vocabulary import VARIABLES, label

COLORS = ("#DCE9F3", "#F0E442", "#9DC7B5", "#B0B0B0")
PROCESS = theme.SERIES["green"].light


def closure(data: dict[str, FloatArray]) -> Figure:
    """Period and elr on both sides of the jumps against eta lam, with the period's exponents."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.8))
    rates = data["intrinsic_lr"]
    for key, form, color, name in (
        ("predicted_period", "-", THEORY, "oscillator"),
        ("period", "o", NETWORK, "simulation"),
    ):
        fit = period_exponent(rates, data[key])
        text = f"{name}: exponent {fit.value:.3f} ± {fit.standard_error:.3f}"
        left.plot(rates, data[key], form, color=color, label=text)
    process = {"color": PROCESS, "lw": 3, "alpha": 0.5, "zorder": 0}
    left.plot(rates, data["predicted_period_process"], label="jump process", **process)
    left.set_ylabel(VARIABLES["period"].label)
    for side, form, mark in (("before", "-", "o"), ("after", "--", "s")):
        right.plot(
            rates, data[f"predicted_{side}"], form, color=THEORY, label=f"oscillator, {side} a jump"
        )
        right.plot(rates, data[side], mark, color=NETWORK, label=f"simulation, {side} a jump")
    for side in ("before", "after"):
        right.plot(rates, data[f"predicted_{side}_process"], **process)
    right.set_ylabel(label("effective_lr"))
    for axis, place in ((left, "lower left"), (right, "center right")):
        axis.set(xscale="log", yscale="log")
        axis.set_xlabel(label("intrinsic_lr"))
        axis.legend(loc=place)
    figure.tight_layout()
    return figure


def regimes(data: dict[str, FloatArray]) -> Figure:
    """Both maps of regimes side by side, with lines of equal eta lam."""
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.4), sharex=True, sharey=True)
    for axis, key, title, color in (
        (axes[0], "simulated", "simulation", NETWORK),
        (axes[1], "predicted", "oscillator", THEORY),
    ):
        _draw_map(axis, data["lr"], data["wd"], data[key])
        axis.set_title(title, color=color)
        axis.set_xlabel(label("learning_rate"))
    axes[0].set_ylabel(label("weight_decay"))
    names = zip(REGIMES, COLORS, strict=True)
    handles = [Patch(color=color, label=regime) for regime, color in names]
    if np.isnan(data["predicted"]).any():
        handles.append(Patch(facecolor="white", edgecolor=BASELINE, label="no statement"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    return figure


def _draw_map(axis: Axes, rates: FloatArray, decays: FloatArray, numbers: FloatArray) -> None:
    """One map; cells without a regime stay white."""
    axis.grid(visible=False)
    axis.pcolormesh(
        rates,
        decays,
        np.ma.masked_invalid(numbers.T),
        cmap=ListedColormap(COLORS),
        vmin=-0.5,
        vmax=len(COLORS) - 0.5,
        shading="nearest",
    )
    axis.set(xscale="log", yscale="log")
    x_limits, y_limits = axis.get_xlim(), axis.get_ylim()
    for power in range(-12, 3):
        axis.plot(x_limits, 10.0**power / np.array(x_limits), ":", color=BASELINE, lw=0.6)
    axis.set(xlim=x_limits, ylim=y_limits)
