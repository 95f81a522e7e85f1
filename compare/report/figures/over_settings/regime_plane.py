"""Regimes of a study's networks over learning rate and decay, and how the period scales."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from compare.report.figures.measurements.sphere import MARKERS
from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, svg
from compare.report.tables.cells import each_setting
from theory.vocabulary import label

FEWEST_SETTINGS = 3


def draw(comparison: xr.Dataset, settings: xr.Dataset) -> dict[str, str]:
    """Draw the plane where at least three settings with decay differ in nothing but the numbers."""
    alike = not (settings["variant"] != "").any() and bool((settings["weight_decay"] > 0).all())
    if not alike or settings.sizes["setting"] < FEWEST_SETTINGS:
        return {}
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(7.4, 4.6))
        for setting in each_setting(settings):
            _mark(axis, setting, comparison)
        axis.set(xscale="log", yscale="log")
        axis.set_xlabel(label("learning_rate"))
        axis.set_ylabel(label("weight_decay"))
        _widen(axis, settings)
        for line in borders(settings):
            low, high = axis.get_xlim()
            ends = (line / low, line / high)
            axis.plot((low, high), ends, "--", color=THEORY, lw=1.2, scalex=False, scaley=False)
        axis.legend(handles=_legend(settings), loc="upper left", bbox_to_anchor=(1, 1))
        arrange(figure)
        return {"regimes": svg(figure)}


def _mark(axis: Axes, setting: xr.Dataset, comparison: xr.Dataset) -> None:
    """The measured regime filled, the predicted one around it, and how many runs agree."""
    x, y = float(setting["learning_rate"]), float(setting["weight_decay"])
    regime = str(setting["regime"].values)
    predicted = str(setting["predicted_regime"].values) if "predicted_regime" in setting else ""
    if predicted in MARKERS:
        axis.plot(x, y, MARKERS[predicted], ms=13, mfc="none", color=THEORY, mew=1.4)
    axis.plot(x, y, MARKERS[regime], ms=6, color=NETWORK)
    own = (comparison["learning_rate"] == x) & (comparison["weight_decay"] == y)
    runs = comparison["regime"].values[own.values]
    if not (runs == regime).all():
        text = f"{(runs == regime).sum()} of {len(runs)}"
        axis.annotate(text, (x, y), (10, 0), textcoords="offset points", va="center", fontsize=7)


def _widen(axis: Axes, settings: xr.Dataset) -> None:
    """Leave room about the settings, also where all have one learning rate."""
    for name, set_limits in (("learning_rate", axis.set_xlim), ("weight_decay", axis.set_ylim)):
        values = settings[name].values
        set_limits(values.min() / 2, values.max() * 2)


def borders(settings: xr.Dataset) -> list[float]:
    """The ``eta lam`` at which the predicted regime changes from one setting to the next.

    It is known to the distance of the two; their geometric mean is given.
    """
    if "predicted_regime" not in settings:
        return []
    ordered = settings.sortby("intrinsic_lr")
    regimes, rates = ordered["predicted_regime"].values, ordered["intrinsic_lr"].values
    known = np.flatnonzero(regimes != "")
    return [
        float(np.sqrt(rates[a] * rates[b])) for a, b in pairwise(known) if regimes[a] != regimes[b]
    ]


def _legend(settings: xr.Dataset) -> list[Line2D]:
    predicted = settings["predicted_regime"].values if "predicted_regime" in settings else ()
    handles = [
        Line2D([], [], marker=marker, ls="", color=NETWORK, ms=6, label=f"{regime}, measured")
        for regime, marker in MARKERS.items()
        if regime in settings["regime"].values
    ]
    handles += [
        Line2D(
            [], [], marker=m, ls="", color=THEORY, mfc="none", ms=11, label=f"{regime}, predicted"
        )
        for regime, m in MARKERS.items()
        if regime in predicted
    ]
    if borders(settings):
        text = "ηλ = const, between predictions"
        handles.append(Line2D([], [], color=THEORY, lw=1.2, ls="--", label=text))
    return handles
