"""Figures of the report, as SVG: theory and network on the same axes."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from compare import phase_figures, theme
from compare.metrics import METRICS
from theory import laws
from theory.laws import FloatArray
from theory.trajectory import VARIABLES, record_every, recorded

NETWORK, THEORY, BASELINE = (theme.SHADES[name].light for name in ("network", "theory", "baseline"))
PUBLISHED = theme.SERIES["green"].light
MAX_POINTS = 1500
NARROW: Any = {"handlelength": 1.2, "columnspacing": 1.0}  # of legends below a single panel
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": theme.GRID.light,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "axes.formatter.min_exponent": 2,  # 0.6 and 20, not powers of ten
    "svg.fonttype": "path",
    "svg.hashsalt": "sawtooth",
    "path.simplify_threshold": 0.3,
}


def label(name: str) -> str:
    """Axis label of a variable of the vocabulary: long name, symbol and unit."""
    variable = VARIABLES[name]
    unit = "" if variable.units == "1" else f" [{variable.units}]"
    return f"{variable.long_name} {variable.symbol}{unit}"


def trajectories(
    networks: xr.Dataset, theory: xr.Dataset, comparison: xr.Dataset, settings: xr.Dataset
) -> str:
    """Loss, norm and elr of one run of up to three settings; theory drawn over the network."""
    shown = _showcase(settings)
    runs = [str(setting["first_run"].values) for setting in shown]
    names = ("train_loss", "weight_norm", "effective_lr")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(names), len(runs), figsize=(3.7 * len(runs), 6.4), sharex="col", squeeze=False
        )
        for column, run, setting in zip(axes.T, runs, shown, strict=True):
            for axis, name in zip(column, names, strict=True):
                _draw_series(axis, networks, run, name, NETWORK, "network")
                if name in theory and run in theory["run"].values:
                    _draw_series(axis, theory, run, name, THEORY, "theory")
                axis.set_yscale("log")
                if setting["regime"] != "equilibrium":  # noise about it has no phases
                    end = int(networks["n_steps"].sel(run=run))
                    phase_figures.shade(axis, comparison.sel(run=run), end)
            named = str(setting["variant"].values) or f"ηλ = {float(setting['intrinsic_lr']):.2g}"
            column[0].set_title(f"{named} ({setting['regime'].item()})")
            column[-1].set_xlabel(label("step"))
        for axis, name in zip(axes[:, 0], names, strict=True):
            axis.set_ylabel(label(name))
        handles, texts = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="upper left", ncols=2)
        marks = phase_figures.legend_patches(*axes[0])
        figure.legend(handles=marks, loc="lower center", ncols=3, fontsize=7, **NARROW)
        figure.tight_layout(rect=(0, 0.03, 1, 0.96))
        return svg(figure)


def phase_diagram(networks: xr.Dataset, theory: xr.Dataset, settings: xr.Dataset) -> str:
    """Effective gradient against elr, with the line on which the norm is stationary."""
    periodic = settings.where(settings["regime"] == "periodic", drop=True)
    shown = periodic if periodic.sizes["setting"] else settings
    run = str(shown["first_run"].values[shown.sizes["setting"] // 2])
    intrinsic_lr = float(networks["intrinsic_lr"].sel(run=run))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 4.6))
        for source, color, name in ((networks, NETWORK, "network"), (theory, THEORY, "theory")):
            if "weight_norm" not in source:
                continue
            elr = recorded(source, run, "effective_lr")
            g = recorded(source, run, "effective_grad_norm")
            axis.plot(elr, g, ".", color=color, ms=2, alpha=0.35, label=name, rasterized=True)
        axis.set(xscale="log", yscale="log", title=f"one run at ηλ = {intrinsic_lr:.2g}")
        axis.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))  # more labels would overlap
        span = np.geomspace(*axis.get_xlim(), 50)
        axis.plot(
            span,
            (1 - intrinsic_lr) * laws.jump_constant(intrinsic_lr) / span,
            color="black",
            lw=1.2,
            label="norm stationary: 1 − cos θ = ηλ",
        )
        axis.set_xlabel(label("effective_lr"))
        axis.set_ylabel(label("effective_grad_norm"))
        legend = axis.legend(loc="lower left", markerscale=4)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
        figure.tight_layout()
        return svg(figure)


def with_period(settings: xr.Dataset) -> xr.Dataset:
    """The periodic settings in which a period could be measured."""
    return settings.sel(
        setting=(settings["regime"] == "periodic") & np.isfinite(settings["period"])
    )


def periods(settings: xr.Dataset) -> str:
    """Period against ``eta lam``: measured, predicted with its interval, and baseline."""
    periodic = with_period(settings)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
        _draw_periods(axes[0], periodic, xr.ones_like(periodic["intrinsic_lr"]))
        _draw_periods(axes[1], periodic, periodic["intrinsic_lr"])
        axes[0].set(xscale="log", yscale="log", ylabel=METRICS["period"].label)
        axes[1].set(xscale="log", ylabel="decay of the log norm in a period, T ηλ")
        axes[1].set_ylim(bottom=0)
        ticks = periodic["intrinsic_lr"].values
        axes[1].set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes[1].xaxis.set_minor_locator(NullLocator())
        axes[1].set_xlabel(label("intrinsic_lr"))
        axes[0].legend(loc="lower left")  # periods fall, so this corner is free
        figure.tight_layout()
        return svg(figure)


def _draw_periods(axis: Axes, periodic: xr.Dataset, scale: xr.DataArray) -> None:
    """Measured and predicted periods of the periodic settings, times a scale."""
    x = periodic["intrinsic_lr"]
    if "predicted_period" in periodic:
        low, high = (periodic[f"predicted_period_{end}"] * scale for end in ("low", "high"))
        axis.fill_between(
            x, low, high, color=THEORY, alpha=0.15, lw=0, label="90 % of single periods, predicted"
        )
        axis.plot(x, periodic["predicted_period"] * scale, color=THEORY, label="kick model")
        axis.plot(
            x,
            periodic["baseline_period"] * scale,
            "--",
            color=BASELINE,
            label="baseline T ηλ = const",
        )
    for role, face in (("calibration", "white"), ("held_out", NETWORK)):
        chosen = (periodic["role"] == role).values
        if not chosen.any():
            continue
        axis.errorbar(
            x.values[chosen],
            (periodic["period"] * scale).values[chosen],
            (periodic["period_std"] * scale).values[chosen],
            fmt="o",
            color=NETWORK,
            markerfacecolor=face,
            capsize=3,
            label=f"network, {role.replace('_', '-')} (± spread of single periods)",
        )


def _showcase(settings: xr.Dataset) -> list[xr.Dataset]:
    """Up to three settings: slowest and fastest held-out periodic one, and an equilibrium."""
    periodic = (settings["regime"] == "periodic").values
    held_out = periodic & (settings["role"] == "held_out").values
    index = np.flatnonzero(held_out if held_out.any() else periodic)
    chosen = [*index[:1], *index[1:][-1:], *np.flatnonzero(~periodic)[-1:]]
    return [settings.isel(setting=i) for i in chosen]


def _draw_series(
    axis: Axes, source: xr.Dataset, run: str, name: str, color: str, text: str
) -> None:
    """One quantity against steps, thinned so that its extremes stay."""
    axis.plot(*series(source, run, name), color=color, lw=0.9, alpha=0.85, label=text)


def series(source: xr.Dataset, run: str, name: str) -> tuple[FloatArray, FloatArray]:
    """Optimizer steps and values of one quantity of a run, thinned to be drawn."""
    index, values = thin(recorded(source, run, name))
    return record_every(source) * index, values


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


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, for light and dark pages, and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
    plt.close(figure)
    return theme.with_dark(buffer.getvalue())


def inline(svg: str) -> str:
    """A figure as a data URI, so that the report is one file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
