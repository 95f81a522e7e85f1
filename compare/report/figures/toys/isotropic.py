"""Figures of the isotropic toy: fixed point, oscillations, relaxation cycle, residual floor."""

import numpy as np
from matplotlib.figure import Figure

from compare.report.figures.style import BASELINE, THEORY
from compare.report.figures.toys.panels import (
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


def fixed_point(data: Data) -> Figure:
    """Fixed point and modulus of its spectrum against eta lam."""
    figure, (left, right) = panels()
    rates = data["intrinsic_lr"]
    points(left, rates, data["phi"] - 2, "simulation, φ* − 2")
    line(left, rates, data["predicted_phi"] - 2, "√(2(1+a))/a − 2")
    points(left, rates, 1 - data["q"], "simulation, 1 − q*", SERIES[1])
    line(left, rates, 1 - data["predicted_q"], "1 − √((1+a)/2)", "--")
    left.set(**LOGS, xlabel=LR_LABEL, ylabel="distance of the fixed point from (1, 2)")
    points(right, rates, data["modulus"] - 1, "simulation")
    line(right, rates, data["predicted_modulus"] - 1, "√(1+a−a²) − 1")
    right.set(**LOGS, xlabel=LR_LABEL, ylabel="modulus of the eigenvalues − 1")
    return finish(figure, left, right)


def oscillations(data: Data) -> Figure:
    """One small oscillation step by step, and periods against eta lam."""
    figure, (left, right) = panels()
    steps = np.arange(len(data["excess"]))
    left.plot(steps, 1e3 * data["excess"], color=SIMULATION, lw=2.5, alpha=0.5, label="simulation")
    line(left, steps, 1e3 * data["predicted_excess"], "linear map", "--")
    left.set(xlabel=STEP_LABEL, ylabel="(φ/φ* − 1) · 10³", title="ηλ = 1e-4")
    left.set_ylim(top=2.2)
    points(right, data["intrinsic_lr"], data["period"], "simulation")
    line(right, data["intrinsic_lr"], data["predicted_period"], "2π/√(8ηλ)")
    right.set(**LOGS, xlabel=LR_LABEL, ylabel="period [steps]")
    left.legend(ncols=2)
    return finish(figure, right)


def cycle(data: Data) -> Figure:
    """Single periods against eta lam, and their distribution beside that of the limit."""
    figure, (left, right) = panels()
    rates, periods, limit = data["intrinsic_lr"], data["periods"], data["predicted_periods"]
    left.axhspan(1.3, 1.5, color=BASELINE, alpha=0.2, lw=0, label="1.3–1.5, as published")
    for share, text in ((0.01, "limit, 1 % and 99 %"), (0.99, None)):
        left.axhline(np.quantile(limit, share), color=THEORY, ls="--", lw=1, label=text)
    left.axhline(limit.mean(), color=THEORY, label="limit ηλ → 0, mean")
    each = np.repeat(rates, periods.shape[1])
    left.plot(each, periods.ravel(), ".", color=SIMULATION, ms=2, alpha=0.25)
    points(left, rates, np.nanmean(periods, axis=1), "simulation, mean (dots: single)")
    left.set(xscale="log", xlabel=LR_LABEL, ylabel="period times intrinsic lr, T ηλ")
    left.set_ylim(1.1, 2.1)
    left.legend(fontsize=8, loc="upper left")
    slow = periods[: max(1, len(rates) // 2)]
    bins = np.linspace(1.25, 1.7, 46).tolist()
    shape = {"bins": bins, "density": True}
    simulated, text = slow[np.isfinite(slow)], "simulation, smaller ηλ"
    right.hist(simulated, **shape, color=SIMULATION, alpha=0.45, label=text)
    right.hist(limit, **shape, histtype="step", color=THEORY, lw=1.4, label="limit ηλ → 0")
    right.set(xlabel="period times intrinsic lr, T ηλ", ylabel="probability density")
    return finish(figure, right, loc="upper center")


def entry_exit(data: Data) -> Figure:
    """Exit against entry, and the relative difference from the law."""
    figure, (left, right) = panels()
    points(left, data["entry"], data["exit"], "simulation, ηλ = 2e-4")
    line(left, data["entry"], data["predicted_exit"], "Re Li₂(φ_exit) = Re Li₂(φ_entry)")
    left.axhline(12.595, color=BASELINE, ls=":", label="12.595, entry → 0")
    left.set(xscale="log", ylim=(0, 16), xlabel="φ at the entry", ylabel="φ at the exit")
    points(right, data["entry"], 100 * (data["exit"] / data["predicted_exit"] - 1), "simulation")
    right.axhline(0, color=THEORY, label="law")
    right.set(xscale="log", xlabel="φ at the entry")
    right.set_ylabel("φ at the exit, simulation over law − 1 [%]")
    return finish(figure, left, right)


def floor(data: Data) -> Figure:
    """Periods with a floor of several depths, absolute and over the prediction."""
    figure, (left, right) = panels()
    rows = (data[key] for key in ("depths", "intrinsic_lr", "period", "predicted_period"))
    right.axhspan(0.93, 1.07, color=THEORY, alpha=0.15, lw=0, label="± 7 %")
    right.axhline(1, color=THEORY, label="√(2F/ηλ)")
    for color, depth, rate, period, predicted in zip(SERIES, *rows, strict=True):
        points(left, rate, period, f"simulation, F = {depth[0]:g}", color)
        line(left, rate, predicted, "√(2F/ηλ)" if color == SERIES[-1] else None)
        points(right, depth * rate, period / predicted, "", color, "o-")
    left.set(**LOGS, xlabel=LR_LABEL, ylabel="mean period [steps]")
    right.set(xscale="log", xlabel="F ηλ", ylabel="mean period over √(2F/ηλ)")
    return finish(figure, left, right)
