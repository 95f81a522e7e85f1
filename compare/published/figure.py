"""Measured, published and predicted values side by side, where a study matches a published one."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.published import values as published
from compare.report.figures.style import NETWORK, PUBLISHED, STYLE, THEORY, arrange, svg
from theory.vocabulary import VARIABLES, label

SIDES = {"before": "^", "after": "v"}


def draw(settings: xr.Dataset, config: Mapping[str, Any]) -> dict[str, str]:
    """Draw period and elr of jumps beside the published ones; nothing where no setting matches."""
    known = published.periods(settings, config)
    if "published_period" not in known:
        return {}
    known = known.sel(setting=np.isfinite(known["published_period"]))
    if not known.sizes["setting"]:
        return {}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.4))
        matched = settings.sel(setting=known["setting"].values).merge(known, join="exact")
        x = matched["intrinsic_lr"].values
        _points(axes[0], matched, x, "period", "o", "network", "theory", published.SOURCE)
        for side, marker in SIDES.items():
            texts = (f"{who}, {side} a jump" for who in ("network", "theory", "published"))
            shifted = x * (0.95 if side == "before" else 1.05)
            _points(axes[1], matched, shifted, f"effective_lr_{side}_jump", marker, *texts)
        axes[0].set_ylabel(VARIABLES["period"].label)
        axes[1].set_ylabel(label("effective_lr"))
        for axis in axes:
            axis.set(xscale="log", yscale="log", xlabel=label("intrinsic_lr"))
            axis.margins(x=0.3, y=0.25)
            axis.legend(fontsize=7)
        arrange(figure)
        return {"published": svg(figure)}


def _points(axis: Axes, matched: xr.Dataset, x: Any, name: str, marker: str, *texts: str) -> None:
    """One quantity of each source, side by side so that none hides another."""
    sources = ("", "predicted_", "published_")
    shifts, colors = (1.0, 1.03, 0.97), (NETWORK, THEORY, PUBLISHED)
    for source, shift, color, text in zip(sources, shifts, colors, texts, strict=True):
        if f"{source}{name}" not in matched:
            continue
        values = matched[f"{source}{name}"].values
        bars = None
        if source == "":
            bars = matched[f"{name}_sem"].values
        elif source == "published_":
            ends = (matched[f"{source}{name}_{end}"].values for end in ("low", "high"))
            bars = np.abs(np.array(list(ends)) - values)
        style = "D" if source == "published_" and name == "period" else marker
        axis.errorbar(
            x * shift,
            values,
            bars,
            fmt=style,
            color=color,
            mfc=color if source == "" else "white",
            capsize=3,
            label=text,
        )
