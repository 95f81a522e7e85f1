"""Figures of calibration and prediction: what was fitted, who is right, and the first jump."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.measure.over_seeds import with_period
from compare.report.figures.style import BASELINE, NETWORK, STYLE, THEORY, arrange, svg
from compare.report.html import theme
from compare.report.tables.predictions import SOURCES
from compare.report.tables.scores import held_out
from theory.cycle_models.kick_model import time_share
from theory.trajectory.regimes import PERIODIC_SHARE
from theory.vocabulary import label

PROCESS, POWER_LAW = theme.SERIES["pink"].light, theme.SERIES["green"].light
LINES = {
    "baseline": (BASELINE, "--", "s"),
    "power_law": (POWER_LAW, ":", "^"),
    "process": (PROCESS, "-.", "D"),
    "predicted": (THEORY, "-", "o"),
}
HEADROOM = 1.4  # of a panel, over the largest kick


def draw(calibrated: xr.Dataset, settings: xr.Dataset) -> dict[str, str]:
    """Draw what the study's predictions allow, as SVG by name."""
    drawn = {}
    if "process_period" in settings and held_out(settings).sum() > 1:
        drawn["errors"] = errors(settings)
    if "parameter" in calibrated.dims:
        drawn["calibration"] = calibration(calibrated)
    if "sphere_first_jump" in settings and settings["sphere_first_jump"].notnull().any():
        drawn["first_jumps"] = first_jumps(settings)
    return drawn


def errors(settings: xr.Dataset) -> str:
    """Relative error of each model's mean period against ``eta lam``."""
    chosen = with_period(settings)
    chosen = chosen.sel(setting=chosen["role"] == "held_out")
    x = chosen["intrinsic_lr"].values
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 4.0))
        known = 100 * (chosen["period_sem"] / chosen["period"]).values
        axis.fill_between(
            x, -known, known, color=NETWORK, alpha=0.18, lw=0, label="measured: ± standard error"
        )
        axis.axhline(0, color=NETWORK, lw=0.8)
        for name, (color, dash, marker) in LINES.items():
            error = 100 * (chosen[f"{name}_period"] / chosen["period"] - 1).values
            axis.plot(x, error, dash, marker=marker, ms=4, color=color, label=SOURCES[name])
        axis.set(xscale="log", xlabel=label("intrinsic_lr"))
        axis.set_ylabel("error of the predicted mean period [%]")
        figure.legend(*axis.get_legend_handles_labels(), loc="upper center", ncols=3)
        arrange(figure, rect=(0, 0, 1, 0.87))
        return svg(figure)


def calibration(table: xr.Dataset) -> str:
    """What the kick model is fitted to, setting by setting, with its fit."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6))
        _draw_fit(axes[0], table, {"kick": "kick K"})
        axes[0].set_ylabel("growth of ln ρ² in a period, K")
        kicks = table["kick"].values[np.isfinite(table["kick"].values)]
        axes[0].set_ylim(0, HEADROOM * kicks.max() if len(kicks) else None)
        _draw_fit(axes[1], table, {"onset": "before a jump", "landing": "after it"})
        axes[1].set_ylabel("ln(effective lr)")
        _draw_fit(axes[2], table, {"growth": "growing share"})
        axes[2].set_ylabel("ln y of the growing share")
        axes[2].axhline(
            np.log(time_share(PERIODIC_SHARE)),
            color="black",
            lw=1,
            ls=":",
            label="border of the regimes",
        )
        for axis in axes:
            axis.set(xscale="log", xlabel=label("intrinsic_lr"))
            axis.legend(loc="best")
        arrange(figure)
        return svg(figure)


def _draw_fit(axis: Axes, table: xr.Dataset, names: dict[str, str]) -> None:
    """Measured means with their errors, and the fit through them."""
    x = table["intrinsic_lr"].values
    for marker, (name, text) in zip("os", names.items(), strict=False):
        axis.errorbar(
            x,
            table[name].values,
            table[f"{name}_sem"].values,
            fmt=marker,
            ms=4,
            color=NETWORK,
            capsize=2,
            label=f"network, {text}",
        )
        if f"{name}_law" in table:
            _draw_law(axis, table, name)
    axis.plot([], [], color=THEORY, label="law ± 1 s.d.")


def _draw_law(axis: Axes, table: xr.Dataset, name: str) -> None:
    """A law between and beyond the settings, with what is not known of it.

    Where the norm is at rest no jump begins or lands, and only the growing share goes on.
    """
    x, law = table["curve_intrinsic_lr"].values, table[f"{name}_law"].values
    error = table[f"{name}_law_error"].values
    jumping = table["intrinsic_lr"].values[table["periodic"].values == "true"]
    shown = x <= 1.001 * jumping.max() if name != "growth" and len(jumping) else x > 0
    axis.plot(x[shown], law[shown], color=THEORY)
    low, high = (law - error)[shown], (law + error)[shown]
    axis.fill_between(x[shown], low, high, color=THEORY, alpha=0.15, lw=0)


def first_jumps(settings: xr.Dataset) -> str:
    """Measured against predicted first jump, with the line on which they agree."""
    known = settings.sel(setting=np.isfinite(settings["sphere_first_jump"]))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(5.4, 4.6))
        predicted = known["sphere_first_jump"].values
        full = np.array(["all examples" in str(name) for name in known["variant"].values])
        for chosen, face, text in ((full, NETWORK, "all examples"), (~full, "white", "batches")):
            if chosen.any():
                axis.errorbar(
                    predicted[chosen],
                    known["first_jump"].values[chosen],
                    known["first_jump_std"].values[chosen],
                    fmt="o",
                    color=NETWORK,
                    markerfacecolor=face,
                    capsize=3,
                    label=f"network, {text} (± spread over seeds)",
                )
        span = np.array([0.7 * predicted.min(), 1.4 * predicted.max()])
        axis.plot(span, span, color=THEORY, label="laws on the sphere")
        axis.fill_between(
            span, span / 1.3, 1.3 * span, color=THEORY, alpha=0.12, lw=0, label="± 30 %"
        )
        axis.set(xscale="log", yscale="log", xlim=span)
        axis.set_xlabel("first jump from laws on the sphere [steps]")
        axis.set_ylabel("first jump measured [steps]")
        axis.legend(loc="upper left")
        arrange(figure)
        return svg(figure)
