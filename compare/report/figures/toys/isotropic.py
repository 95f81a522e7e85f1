"""Figures of the isotropic toy: fixed point, oscillations, relaxation cycle, residual floor."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

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


def fixed_point(data: dict[str, FloatArray]) -> Figure:
    """Fixed point and modulus of its spectrum against eta lam."""
    figure, (left, right) = panels()
    rates = data["intrinsic_lr"]
    points(left, rates, data["phi"] - 2, "simulation, φ* − 2")
    line(left, rates, data["predicted_phi"] - 2, "√(2(1+a))/a − 2")
    points(left, rates, 1 - data["q"], "simulation, 1 − q*", SERIES[1])
    left.plot(rates, 1 - data["predicted_q"], "--", color=THEORY, label="1 − √((1+a)/2)")
    left.set(
        xscale="log",
        yscale="log",
        xlabel=LR_LABEL,
        ylabel="distance of the fixed point from (1, 2)",
    )
    points(right, rates, data["modulus"] - 1, "simulation")
    line(right, rates, data["predicted_modulus"] - 1, "√(1+a−a²) − 1")
    right.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="modulus of the eigenvalues − 1")
    left.legend()
    right.legend()
    return finish(figure)


def oscillations(data: dict[str, FloatArray]) -> Figure:
    """One small oscillation step by step, and periods against eta lam."""
    figure, (left, right) = panels()
    steps = np.arange(len(data["excess"]))
    left.plot(steps, 1e3 * data["excess"], color=SIMULATION, lw=2.5, alpha=0.5, label="simulation")
    left.plot(steps, 1e3 * data["predicted_excess"], "--", color=THEORY, lw=1.2, label="linear map")
    left.set(xlabel=STEP_LABEL, ylabel="(φ/φ* − 1) · 10³", title="ηλ = 1e-4")
    left.set_ylim(top=2.2)
    points(right, data["intrinsic_lr"], data["period"], "simulation")
    line(right, data["intrinsic_lr"], data["predicted_period"], "2π/√(8ηλ)")
    right.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="period [steps]")
    left.legend(ncols=2)
    right.legend()
    return finish(figure)


def cycle(data: dict[str, FloatArray]) -> Figure:
    """Single periods against eta lam, and their distribution beside that of the limit."""
    figure, (left, right) = panels()
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
    points(left, rates, np.nanmean(periods, axis=1), "simulation, mean (dots: single)")
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
    return finish(figure)


def entry_exit(data: dict[str, FloatArray]) -> Figure:
    """Exit against entry, and the relative difference from the law."""
    figure, (left, right) = panels()
    points(left, data["entry"], data["exit"], "simulation, ηλ = 2e-4")
    line(left, data["entry"], data["predicted_exit"], "Re Li₂(φ_exit) = Re Li₂(φ_entry)")
    left.axhline(12.595, color=BASELINE, ls=":", label="12.595, entry → 0")
    left.set(xscale="log", ylim=(0, 16), xlabel="φ at the entry", ylabel="φ at the exit")
    points(right, data["entry"], 100 * (data["exit"] / data["predicted_exit"] - 1), "simulation")
    right.axhline(0, color=THEORY, label="law")
    right.set(
        xscale="log", xlabel="φ at the entry", ylabel="φ at the exit, simulation over law − 1 [%]"
    )
    left.legend()
    right.legend()
    return finish(figure)


def floor(data: dict[str, FloatArray]) -> Figure:
    """Periods with a floor of several depths, absolute and over the prediction."""
    figure, (left, right) = panels()
    rows = zip(
        data["depths"], data["intrinsic_lr"], data["period"], data["predicted_period"], strict=True
    )
    right.axhspan(0.93, 1.07, color=THEORY, alpha=0.15, lw=0, label="± 7 %")
    right.axhline(1, color=THEORY, label="√(2F/ηλ)")
    for color, (depth, rate, period, predicted) in zip(SERIES, rows, strict=True):
        points(left, rate, period, f"simulation, F = {depth[0]:g}", color)
        left.plot(
            rate, predicted, color=THEORY, lw=1, label="√(2F/ηλ)" if color == SERIES[-1] else None
        )
        right.plot(depth * rate, period / predicted, "o-", color=color, ms=5, lw=0.8)
    left.set(xscale="log", yscale="log", xlabel=LR_LABEL, ylabel="mean period [steps]")
    right.set(xscale="log", xlabel="F ηλ", ylabel="mean period over √(2F/ηλ)")
    left.legend()
    right.legend()
    return finish(figure)
