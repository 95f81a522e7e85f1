"""Figures of the toys study, as SVG: simulation and prediction on the same axes."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from compare import toy_oscillator_figures
from compare.figures import BASELINE, NETWORK, STYLE, THEORY, label, svg
from theory.jumps import find_jumps
from theory.laws import FloatArray

SIMULATION = NETWORK
# further members of Okabe and Ito's palette, for several simulated series in one panel
SERIES = (NETWORK, "#009E73", "#CC79A7", "#56B4E9")
LR_LABEL = "intrinsic learning rate ηλ"
STEP_LABEL = "optimizer step t [steps]"


def draw(data: xr.Dataset) -> dict[str, str]:
    """Draw every figure of the study from its ``/theory`` group, by the name of its toy."""
    drawn = {}
    for name, function in FIGURES.items():
        prefix = f"{name}_"
        series = {
            str(key).removeprefix(prefix): np.asarray(values.values)
            for key, values in data.variables.items()
            if str(key).startswith(prefix)
        }
        with plt.rc_context(STYLE):
            drawn[name] = svg(function(series))
    return drawn


def _panels(count: int = 2, *, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, count, figsize=(9.2, height), squeeze=False)
    return figure, list(axes[0])


def _finish(figure: Figure) -> Figure:
    figure.tight_layout()
    return figure


def _points(axis: Axes, x: FloatArray, y: FloatArray, text: str, color: str = SIMULATION) -> None:
    axis.plot(x, y, "o", color=color, ms=5, label=text)


def _line(axis: Axes, x: FloatArray, y: FloatArray, text: str) -> None:
    axis.plot(x, y, color=THEORY, lw=1.4, label=text)


def fixed_point(data: dict[str, FloatArray]) -> Figure:
    """Fixed point and modulus of its spectrum against eta lam."""
    figure, (left, right) = _panels()
    rates = data["intrinsic_lr"]
    _points(left, rates, data["phi"] - 2, "simulation, φ* − 2")
    _line(left, rates, data["predicted_phi"] - 2, "√(2(1+a))/a − 2")
    _points(left, rates, 1 - data["q"], "simulation, 1 − q*", SERIES[1])
    left.plot(rates, 1 - data["predicted_q"], "--", color=THEORY, label="1 − √((1+a)/2)")
    left.set(
        xscale="log",
        yscale="log",
        xlabel=LR_LABEL,
        ylabel="distance of the fixed point from (1, 2)",
    )
    _points(right, rates, data["modulus"] - 1, "simulation")
    _line(right, rates, data["predicted_modulus"] - 1, "√(1+a−a²) − 1")
    right.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="modulus of the eigenvalues − 1")
    left.legend()
    right.legend()
    return _finish(figure)


def oscillations(data: dict[str, FloatArray]) -> Figure:
    """One small oscillation step by step, and periods against eta lam."""
    figure, (left, right) = _panels()
    steps = np.arange(len(data["excess"]))
    left.plot(steps, 1e3 * data["excess"], color=SIMULATION, lw=2.5, alpha=0.5, label="simulation")
    left.plot(steps, 1e3 * data["predicted_excess"], "--", color=THEORY, lw=1.2, label="linear map")
    left.set(xlabel=STEP_LABEL, ylabel="(φ/φ* − 1) · 10³", title="ηλ = 1e-4")
    left.set_ylim(top=2.2)
    _points(right, data["intrinsic_lr"], data["period"], "simulation")
    _line(right, data["intrinsic_lr"], data["predicted_period"], "2π/√(8ηλ)")
    right.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="period [steps]")
    left.legend(ncols=2)
    right.legend()
    return _finish(figure)


def cycle(data: dict[str, FloatArray]) -> Figure:
    """Single periods against eta lam, and their distribution beside that of the limit."""
    figure, (left, right) = _panels()
    rates, periods = data["intrinsic_lr"], data["periods"]
    left.axhspan(1.3, 1.5, color=BASELINE, alpha=0.2, lw=0, label="1.3–1.5, as published")
    low, high = np.quantile(data["predicted_periods"], [0.01, 0.99])
    for bound in (low, high):
        left.axhline(
            bound,
            color=THEORY,
            ls="--",
            lw=1,
            label="limit, 1 % and 99 %" if bound == low else None,
        )
    left.axhline(data["predicted_periods"].mean(), color=THEORY, label="limit ηλ → 0, mean")
    left.plot(
        np.repeat(rates, periods.shape[1]), periods.ravel(), ".", color=SIMULATION, ms=2, alpha=0.25
    )
    _points(left, rates, np.nanmean(periods, axis=1), "simulation, mean (dots: single)")
    left.set(
        xscale="log", xlabel=LR_LABEL, ylabel="period times intrinsic lr, T ηλ", ylim=(1.1, 2.1)
    )
    bins = np.linspace(1.25, 1.7, 46).tolist()
    slow = periods[: max(1, len(rates) // 2)]
    right.hist(
        slow[np.isfinite(slow)],
        bins,
        density=True,
        color=SIMULATION,
        alpha=0.45,
        label="simulation, smaller ηλ",
    )
    right.hist(
        data["predicted_periods"],
        bins,
        density=True,
        histtype="step",
        color=THEORY,
        lw=1.4,
        label="limit ηλ → 0",
    )
    right.set(xlabel="period times intrinsic lr, T ηλ", ylabel="probability density")
    left.legend(fontsize=8, loc="upper left")
    right.legend(loc="upper center")
    return _finish(figure)


def entry_exit(data: dict[str, FloatArray]) -> Figure:
    """Exit against entry, and the relative difference from the law."""
    figure, (left, right) = _panels()
    _points(left, data["entry"], data["exit"], "simulation, ηλ = 2e-4")
    _line(left, data["entry"], data["predicted_exit"], "Re Li₂(φ_exit) = Re Li₂(φ_entry)")
    left.axhline(12.595, color=BASELINE, ls=":", label="12.595, entry → 0")
    left.set(xscale="log", ylim=(0, 16), xlabel="φ at the entry", ylabel="φ at the exit")
    _points(right, data["entry"], 100 * (data["exit"] / data["predicted_exit"] - 1), "simulation")
    right.axhline(0, color=THEORY, label="law")
    right.set(
        xscale="log", xlabel="φ at the entry", ylabel="φ at the exit, simulation over law − 1 [%]"
    )
    left.legend()
    right.legend()
    return _finish(figure)


def floor(data: dict[str, FloatArray]) -> Figure:
    """Periods with a floor of several depths, absolute and over the prediction."""
    figure, (left, right) = _panels()
    rows = zip(
        data["depths"], data["intrinsic_lr"], data["period"], data["predicted_period"], strict=True
    )
    right.axhspan(0.93, 1.07, color=THEORY, alpha=0.15, lw=0, label="± 7 %")
    right.axhline(1, color=THEORY, label="√(2F/ηλ)")
    for color, (depth, rate, period, predicted) in zip(SERIES, rows, strict=True):
        _points(left, rate, period, f"simulation, F = {depth[0]:g}", color)
        left.plot(
            rate, predicted, color=THEORY, lw=1, label="√(2F/ηλ)" if color == SERIES[-1] else None
        )
        right.plot(depth * rate, period / predicted, "o-", color=color, ms=5, lw=0.8)
    left.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="mean period [steps]")
    right.set(xscale="log", xlabel="F ηλ", ylabel="mean period over √(2F/ηλ)")
    left.legend()
    right.legend()
    return _finish(figure)


def underflow(data: dict[str, FloatArray]) -> Figure:
    """Weight norm in three arithmetics."""
    figure, (axis,) = _panels(1)
    steps = np.arange(len(data["safe"]))
    axis.plot(
        steps, data["safe"], color=SIMULATION, lw=3, alpha=0.5, label="simulation, safe kernel"
    )
    axis.plot(steps, data["plain"], color=BASELINE, lw=1.4, label="simulation, plain float64")
    axis.plot(steps, data["predicted_norm"], "--", color=THEORY, lw=1.1, label="exact, 40 digits")
    axis.set(yscale="log", xlabel=STEP_LABEL, ylabel="weight norm ρ")
    axis.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return _finish(figure)


def blocks(data: dict[str, FloatArray]) -> Figure:
    """Share of runs that converge about the threshold."""
    figure, (axis,) = _panels(1, height=3.2)
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
    return _finish(figure)


def noise(data: dict[str, FloatArray]) -> Figure:
    """Norm and loss with noise against eta lam."""
    figure, axes = _panels()
    labels = ("mean weight norm ρ", "mean loss")
    for axis, name, text in zip(axes, ("norm", "loss"), labels, strict=True):
        for i, dimension in enumerate(data["dimension"]):
            _points(
                axis,
                data["intrinsic_lr"],
                data[name][i],
                f"simulation, d = {dimension:g}",
                SERIES[i],
            )
            law = "r*" if name == "norm" else "(d−1)T/2"
            _line(axis, data["intrinsic_lr"], data[f"predicted_{name}"][i], law if i else "")
        axis.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel=text)
        axis.legend()
    return _finish(figure)


def rayleigh(data: dict[str, FloatArray]) -> Figure:
    """Largest rise of the loss in a step, and one run through the threshold."""
    figure, (left, right) = _panels()
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
    return _finish(figure)


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
    return _finish(figure)


def _logistic_scaling(left: Axes, right: Axes, data: dict[str, FloatArray]) -> None:
    """Period and elr before a jump against eta lam."""
    rates = data["intrinsic_lr"]
    left.axhspan(0.58, 0.84, color=BASELINE, alpha=0.25, lw=0, label="digits MLP (falls with ηλ)")
    _points(left, rates, data["period"], "simulation")
    _line(left, rates, data["predicted_period"], "√(2F/ηλ) ηλ")
    left.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="period times intrinsic lr, T ηλ")
    left.legend()
    _points(right, rates, data["before"], "simulation")
    _line(right, rates, data["predicted_before"], "Re Li₂(S elr) = π²/4 − 2ηλF")
    right.axhline(float(data["predicted_threshold"]), color=THEORY, ls="--", label="elr = 2/S")
    right.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="effective lr before a jump")
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


FIGURES: dict[str, Callable[[dict[str, FloatArray]], Figure]] = {
    function.__name__: function
    for function in (
        fixed_point, oscillations, cycle, entry_exit, floor,
        underflow, blocks, noise, rayleigh, logistic,
        toy_oscillator_figures.closure, toy_oscillator_figures.regimes,
    )
}  # fmt: skip
