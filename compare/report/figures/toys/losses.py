"""Figures of the other toys: underflow, blocks, noise, Rayleigh quotient, logistic loss."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from compare.report.figures.style import BASELINE, THEORY
from compare.report.figures.toys.panels import (
    ABOVE,
    LOGS,
    LR_LABEL,
    SERIES,
    SIMULATION,
    STEP_LABEL,
    Data,
    finish,
    line,
    panels,
    points,
)  # fmt: skip
from theory.arrays import FloatArray
from theory.trajectory.jumps import find_jumps
from theory.vocabulary import VARIABLES, label


def underflow(data: Data) -> Figure:
    """Weight norm in three arithmetics."""
    figure, (axis,) = panels(1)
    steps, text = np.arange(len(data["safe"])), "simulation, safe kernel"
    axis.plot(steps, data["safe"], color=SIMULATION, lw=3, alpha=0.5, label=text)
    axis.plot(steps, data["plain"], color=BASELINE, lw=1.4, label="simulation, plain float64")
    line(axis, steps, data["predicted_norm"], "exact, 40 digits", "--")
    axis.set(yscale="log", xlabel=STEP_LABEL, ylabel="weight norm ρ")
    return finish(figure, axis, ncols=3, **ABOVE)


def blocks(data: Data) -> Figure:
    """Share of runs that converge about the threshold."""
    figure, (axis,) = panels(1, height=3.2)
    for i, (name, form) in enumerate((("α = 1, 3", "o-"), ("α = 1, 2, 4", "s-"))):
        share, text = data["converged"][i], f"simulation, {name}"
        points(axis, data["factor"], share, text, SERIES[i], form)
    axis.axvline(float(data["predicted_edge"]), color=THEORY, label="elr = 2/Σα")
    axis.axvspan(0.95, 1.05, color=THEORY, alpha=0.12, lw=0, label="± 5 %")
    axis.set(xlabel="effective learning rate over 2/Σα", ylabel="share of runs that converge")
    return finish(figure, axis)


def noise(data: Data) -> Figure:
    """Norm and loss with noise against eta lam."""
    figure, axes = panels()
    rates, names = data["intrinsic_lr"], ("norm", "loss")
    laws, labels = ("r*", "(d−1)T/2"), ("mean weight norm ρ", "mean loss")
    for axis, name, law, text in zip(axes, names, laws, labels, strict=True):
        for i, dimension in enumerate(data["dimension"]):
            points(axis, rates, data[name][i], f"simulation, d = {dimension:g}", SERIES[i])
            line(axis, rates, data[f"predicted_{name}"][i], law if i else "")
        axis.set(**LOGS, xlabel=LR_LABEL, ylabel=text)
    return finish(figure, *axes)


def rayleigh(data: Data) -> Figure:
    """Largest rise of the loss in a step, and one run through the threshold."""
    figure, (left, right) = panels()
    points(left, data["factor"], data["rise"], "simulation, worst of all weights")
    left.axhline(0, color=BASELINE, lw=0.8)
    left.axvline(1, color=THEORY, label="φ = 2/L")
    left.set(xlabel="φ L / 2", ylabel="largest relative change of the loss in a step")
    right.plot(data["phi"], data["loss"], color=SIMULATION, label="simulation, ηλ = 0.01")
    right.axvline(2, color=THEORY, label="φ = 2/L")
    right.set(yscale="log", xlabel="φ L, which rises between jumps")
    right.set_ylabel("loss above its minimum")
    return finish(figure, left, right, ncols=2, **ABOVE)


def logistic(data: Data) -> Figure:
    """Loss, norm and elr over time at three eta lam, and the periods below."""
    figure = plt.figure(figsize=(9.2, 9.4))
    grid = figure.add_gridspec(4, 6, height_ratios=(1, 1, 1, 1.35))
    for column, rate in enumerate(data["shown_lr"]):
        axes = [figure.add_subplot(grid[row, 2 * column : 2 * column + 2]) for row in range(3)]
        loss, norm = (data[name][column, : int(8 / rate)] for name in ("loss", "norm"))
        for axis, series in zip(axes, (loss, norm, norm**-2.0), strict=True):
            axis.plot(series, color=SIMULATION, lw=0.9, label="simulation")
            axis.set_yscale("log")
        axes[0].set_title(f"ηλ = {rate:g}")
        text = "elr = 2/S at the minimum"
        axes[2].axhline(float(data["predicted_threshold"]), color=THEORY, label=text)
        _decay(axes[2], norm**-2.0, rate)
        axes[2].set_xlabel(STEP_LABEL)
        if column == 0:
            for axis, name in zip(axes, ("train_loss", "weight_norm", "effective_lr"), strict=True):
                axis.set_ylabel(label(name).replace("effective learning rate", "effective lr"))
            axes[2].legend(fontsize=7, loc="lower right")
    left, right = figure.add_subplot(grid[3, :3]), figure.add_subplot(grid[3, 3:])
    _logistic_scaling(left, right, data)
    return finish(figure, left, right)


def _logistic_scaling(left: Axes, right: Axes, data: Data) -> None:
    """Period and elr before a jump against eta lam."""
    rates = data["intrinsic_lr"]
    left.axhspan(0.58, 0.84, color=BASELINE, alpha=0.25, lw=0, label="digits MLP (falls with ηλ)")
    points(left, rates, data["period"], "simulation")
    line(left, rates, data["predicted_period"], "√(2F/ηλ) ηλ")
    left.set(**LOGS, xlabel=LR_LABEL, ylabel="period times intrinsic lr, T ηλ")
    points(right, rates, data["before"], "simulation")
    line(right, rates, data["predicted_before"], "Re Li₂(S elr) = π²/4 − 2ηλF")
    right.axhline(float(data["predicted_threshold"]), color=THEORY, ls="--", label="elr = 2/S")
    right.set(**LOGS, xlabel=LR_LABEL, ylabel=VARIABLES["effective_lr_before_jump"].label)
    right.yaxis.set_minor_formatter(ScalarFormatter())


def _decay(axis: Axes, elr: FloatArray, rate: float) -> None:
    """The rise of elr by decay alone, from each landing to the next jump."""
    jumps = find_jumps(np.log(elr))
    for start, stop in zip(jumps.landings, jumps.onsets[1:], strict=False):
        steps = np.arange(start, stop)
        rise = elr[start] * (1 - rate) ** (-2.0 * (steps - start))
        text = "decay alone, exp(2ηλt)" if start == jumps.landings[0] else None
        axis.plot(steps, rise, ":", color="black", lw=1.6, label=text)
