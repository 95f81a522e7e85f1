"""Figures of the other toys: underflow, blocks, noise, Rayleigh quotient, logistic loss."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from compare.report.figures.style import BASELINE, THEORY
from compare.report.figures.toys.panels import (
    LR_LABEL,
    SERIES,
    SIMULATION,
    STEP_LABEL,
    finish,
    line,
    panels,
    points,
)
from theory.arrays import FloatArray
from theory.trajectory.jumps import find_jumps
from theory.vocabulary import VARIABLES, label


def underflow(data: dict[str, FloatArray]) -> Figure:
    """Weight norm in three arithmetics."""
    figure, (axis,) = panels(1)
    steps = np.arange(len(data["safe"]))
    axis.plot(
        steps, data["safe"], color=SIMULATION, lw=3, alpha=0.5, label="simulation, safe kernel"
    )
    axis.plot(steps, data["plain"], color=BASELINE, lw=1.4, label="simulation, plain float64")
    axis.plot(steps, data["predicted_norm"], "--", color=THEORY, lw=1.1, label="exact, 40 digits")
    axis.set(yscale="log", xlabel=STEP_LABEL, ylabel="weight norm ρ")
    axis.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return finish(figure)


def blocks(data: dict[str, FloatArray]) -> Figure:
    """Share of runs that converge about the threshold."""
    figure, (axis,) = panels(1, height=3.2)
    names = ("α = 1, 3", "α = 1, 2, 4")
    for color, marker, share, name in zip(SERIES, "os", data["converged"], names, strict=False):
        axis.plot(
            data["factor"],
            share,
            f"{marker}-",
            color=color,
            ms=5,
            lw=0.8,
            label=f"simulation, {name}",
        )
    axis.axvline(float(data["predicted_edge"]), color=THEORY, label="elr = 2/Σα")
    axis.axvspan(0.95, 1.05, color=THEORY, alpha=0.12, lw=0, label="± 5 %")
    axis.set(xlabel="effective learning rate over 2/Σα", ylabel="share of runs that converge")
    axis.legend()
    return finish(figure)


def noise(data: dict[str, FloatArray]) -> Figure:
    """Norm and loss with noise against eta lam."""
    figure, axes = panels()
    labels = ("mean weight norm ρ", "mean loss")
    for axis, name, text in zip(axes, ("norm", "loss"), labels, strict=True):
        for i, dimension in enumerate(data["dimension"]):
            points(
                axis,
                data["intrinsic_lr"],
                data[name][i],
                f"simulation, d = {dimension:g}",
                SERIES[i],
            )
            law = "r*" if name == "norm" else "(d−1)T/2"
            line(axis, data["intrinsic_lr"], data[f"predicted_{name}"][i], law if i else "")
        axis.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel=text)
        axis.legend()
    return finish(figure)


def rayleigh(data: dict[str, FloatArray]) -> Figure:
    """Largest rise of the loss in a step, and one run through the threshold."""
    figure, (left, right) = panels()
    left.plot(
        data["factor"],
        data["rise"],
        "o",
        color=SIMULATION,
        ms=4,
        label="simulation, worst of all weights",
    )
    left.axhline(0, color=BASELINE, lw=0.8)
    left.axvline(1, color=THEORY, label="φ = 2/L")
    left.set(xlabel="φ L / 2", ylabel="largest relative change of the loss in a step")
    right.plot(data["phi"], data["loss"], color=SIMULATION, label="simulation, ηλ = 0.01")
    right.axvline(2, color=THEORY, label="φ = 2/L")
    right.set(
        yscale="log", xlabel="φ L, which rises between jumps", ylabel="loss above its minimum"
    )
    left.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    right.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return finish(figure)


def logistic(data: dict[str, FloatArray]) -> Figure:
    """Loss, norm and elr over time at three eta lam, and the periods below."""
    figure = plt.figure(figsize=(9.2, 9.4))
    grid = figure.add_gridspec(4, 6, height_ratios=(1, 1, 1, 1.35))
    threshold = float(data["predicted_threshold"])
    for column, rate in enumerate(data["shown_lr"]):
        axes = [figure.add_subplot(grid[row, 2 * column : 2 * column + 2]) for row in range(3)]
        loss, norm = (data[name][column, : int(8 / rate)] for name in ("loss", "norm"))
        elr = norm**-2.0
        rows = zip(axes, (loss, norm, elr), strict=True)
        for axis, series in rows:
            axis.plot(series, color=SIMULATION, lw=0.9, label="simulation")
            axis.set_yscale("log")
        axes[0].set_title(f"ηλ = {rate:g}")
        axes[2].axhline(threshold, color=THEORY, label="elr = 2/S at the minimum")
        _decay(axes[2], elr, rate)
        axes[2].set_xlabel(STEP_LABEL)
        if column == 0:
            for axis, name in zip(axes, ("train_loss", "weight_norm", "effective_lr"), strict=True):
                axis.set_ylabel(label(name).replace("effective learning rate", "effective lr"))
            axes[2].legend(fontsize=7, loc="lower right")
    left, right = figure.add_subplot(grid[3, :3]), figure.add_subplot(grid[3, 3:])
    _logistic_scaling(left, right, data)
    return finish(figure)


def _logistic_scaling(left: Axes, right: Axes, data: dict[str, FloatArray]) -> None:
    """Period and elr before a jump against eta lam."""
    rates = data["intrinsic_lr"]
    left.axhspan(0.58, 0.84, color=BASELINE, alpha=0.25, lw=0, label="digits MLP (falls with ηλ)")
    points(left, rates, data["period"], "simulation")
    line(left, rates, data["predicted_period"], "√(2F/ηλ) ηλ")
    left.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="period times intrinsic lr, T ηλ")
    left.legend()
    points(right, rates, data["before"], "simulation")
    line(right, rates, data["predicted_before"], "Re Li₂(S elr) = π²/4 − 2ηλF")
    right.axhline(float(data["predicted_threshold"]), color=THEORY, ls="--", label="elr = 2/S")
    right.set(
        xscale="log",
        yscale="log",
        xlabel=LR_LABEL,
        ylabel=VARIABLES["effective_lr_before_jump"].label,
    )
    right.yaxis.set_minor_formatter(ScalarFormatter())
    right.legend()


def _decay(axis: Axes, elr: FloatArray, rate: float) -> None:
    """The rise of elr by decay alone, from each landing to the next jump."""
    jumps = find_jumps(np.log(elr))
    for start, stop in zip(jumps.landings, jumps.onsets[1:], strict=False):
        steps = np.arange(start, stop)
        line = elr[start] * (1 - rate) ** (-2.0 * (steps - start))
        text = "decay alone, exp(2ηλt)" if start == jumps.landings[0] else None
        axis.plot(steps, line, ":", color="black", lw=1.6, label=text)
