"""Minima of successive periods: test error, likeness, ensembles."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from compare.measure.minima.over_runs import ensemble_curve, mean_over_runs, runs_by_setting
from compare.report.figures.style import COLORS, NETWORK, STYLE, arrange, svg
from theory.arrays import FloatArray
from theory.vocabulary import VARIABLES

# name, legend, colour and marker of each kind of ensemble
ENSEMBLES = (
    ("successive_ensemble_error", "first k minima of one run", NETWORK, "o"),
    ("first_ensemble_error", "first minima of k runs", "#CC79A7", "s"),
    ("last_ensemble_error", "last minima of k runs", "#000000", "^"),
)
LIKENESS = (
    ("cosine", "cosine of the weights of two minima"),
    ("disagreement", "share of test images classed differently"),
)


def name_of(setting: xr.Dataset) -> str:
    """Variant of a setting's runs, or their ``eta lam``."""
    return str(setting["variant"].values[0]) or f"ηλ = {float(setting['intrinsic_lr'][0]):.2g}"


def draw(comparison: xr.Dataset) -> dict[str, str]:
    """Draw test error and likeness of minima, and their ensembles, where predictions were kept."""
    settings = runs_by_setting(comparison)
    if "successive_ensemble_error" not in comparison or not settings:
        return {}
    return {"minima": likeness(settings), "ensembles": ensembles(settings)}


def likeness(settings: list[xr.Dataset]) -> str:
    """Test error of the minima, and how alike two are, against the number of the period."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(11, 3.9))
        for setting, color in zip(settings, cycle(COLORS), strict=False):
            named = name_of(setting)
            _line(axes[0], setting["minimum_test_error"].values, color, "o-", named)
            for axis, (what, _) in zip(axes[1:], LIKENESS, strict=True):
                if f"successive_{what}" in setting:
                    values = setting[f"successive_{what}"].values
                    _line(axis, values, color, "o-", f"{named}, next minimum")
                    values = setting[f"independent_{what}"].values
                    _line(axis, values, color, "s--", f"{named}, another run's")
        axes[0].set_ylabel(VARIABLES["minimum_test_error"].label)
        axes[0].legend(fontsize=7)
        for axis, (_, text) in zip(axes[1:], LIKENESS, strict=True):
            axis.set_ylabel(text)
        for axis in axes:
            axis.set_xlabel("period, counted from the first rise")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, texts = axes[2].get_legend_handles_labels()
        figure.legend(handles, texts, loc="upper right", ncols=min(4, len(texts)), fontsize=7)
        arrange(figure, rect=(0, 0, 1, 0.93))
        return svg(figure)


def _line(axis: Axes, values: FloatArray, color: str, style: str, text: str) -> None:
    """Mean over runs with its standard error against 1, 2, ..."""
    mean, error = mean_over_runs(values)
    numbers = np.arange(1, len(mean) + 1)
    face = color if style[0] == "o" else "white"
    axis.errorbar(
        numbers, mean, error, fmt=style, color=color, mfc=face, ms=4, lw=1, capsize=2, label=text
    )


def ensembles(settings: list[xr.Dataset]) -> str:
    """Test error of ensembles against their size, a panel a setting."""
    n = len(settings)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, n, figsize=(max(6.4, 3.7 * n), 4.2), sharey=True, squeeze=False
        )
        for axis, setting in zip(axes[0], settings, strict=True):
            for name, text, color, marker in ENSEMBLES:
                mean, error = ensemble_curve(setting, name)
                k = np.arange(1, len(mean) + 1)
                axis.errorbar(k, mean, error, fmt=f"{marker}-", color=color, capsize=2, label=text)
            alone, _ = mean_over_runs(setting["minimum_test_error"].values)
            alone = alone[: setting.sizes["ensemble_size"]]
            k = np.arange(1, len(alone) + 1)
            axis.plot(k, alone, "x:", color=COLORS[0], label="k-th minimum alone")
            best = float(setting["best_minimum_error"].mean())
            text = "minimum of lowest training loss alone"
            axis.axhline(best, color=COLORS[3], ls="--", lw=1, label=text)
            axis.set(title=name_of(setting), xlabel="number k of minima")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0, 0].set_ylabel("test error of mean probabilities")
        handles, texts = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="upper left", ncols=3, fontsize=7)
        arrange(figure, rect=(0, 0, 1, 0.9))
        return svg(figure)
