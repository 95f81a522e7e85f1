"""Loss, norm and effective learning rate over time: theory and network on the same axes."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.report.figures.over_time import phase_shading
from compare.report.figures.style import (
    NARROW,
    NETWORK,
    STYLE,
    THEORY,
    arrange,
    count_steps,
    series,
    svg,
)
from theory.vocabulary import label


def draw(
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
                    phase_shading.shade(axis, comparison.sel(run=run), end)
            named = str(setting["variant"].values) or f"ηλ = {float(setting['intrinsic_lr']):.2g}"
            column[0].set_title(f"{named} ({setting['regime'].item()})")
            count_steps(column[-1])
        for axis, name in zip(axes[:, 0], names, strict=True):
            axis.set_ylabel(label(name))
        handles, texts = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="upper left", ncols=2)
        marks = phase_shading.legend_patches(*axes[0])
        figure.legend(handles=marks, loc="lower center", ncols=3, fontsize=7, **NARROW)
        arrange(figure, rect=(0, 0.03, 1, 0.96))
        return svg(figure)


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
