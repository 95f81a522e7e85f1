"""Norm and effective learning rate for given gradients: recursion, ODE, rest, measured."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.report.figures.style import (
    COLORS,
    NETWORK,
    STYLE,
    THEORY,
    arrange,
    count_steps,
    svg,
    thin,
)
from theory.arrays import FloatArray
from theory.vocabulary import label


def draw(solved: xr.Dataset) -> str:
    """Draw each run of what ``solve_norm`` returns, over the measured norm if there is one."""
    measured = solved.get("measured_weight_norm")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(7.2, 6.4), sharex=True)
        for axis, power in zip(axes, (1, -2), strict=True):
            if measured is not None:
                rate = measured.attrs["learning_rate"] if power < 0 else 1.0
                values = rate * measured.values**power
                _line(
                    axis, values, solved, NETWORK, "-", f"measured: {measured.attrs['run']}", lw=3
                )
            one_run = solved.sizes["run"] == 1
            for run, color in zip(solved["run"].values, cycle((THEORY, *COLORS)), strict=False):
                one = solved.sel(run=run)
                scale = float(one["learning_rate"]) if power < 0 else 1.0
                name = f"η = {float(one['learning_rate']):g}, λ = {float(one['weight_decay']):g}"
                paths = {"-": ("weight_norm", "recursion"), ":": ("ode_weight_norm", "norm ODE")}
                for style, (variable, what) in paths.items():
                    text = what if one_run else f"{name}, {what}"
                    values = scale * one[variable].values ** power
                    _line(axis, values, solved, color, style, text)
                if np.isfinite(rest := float(one["equilibrium_norm"])):
                    level = scale * rest**power
                    axis.axhline(
                        level, color=color, ls="--", lw=0.9, label="equilibrium" if one_run else "_"
                    )
            axis.set_yscale("log")
        axes[0].set_ylabel(label("weight_norm"))
        axes[1].set_ylabel(label("effective_lr"))
        count_steps(axes[1])
        handles, texts = axes[0].get_legend_handles_labels()
        rows = -(-len(texts) // 2)
        figure.legend(handles, texts, loc="upper center", ncols=2, fontsize=8)
        arrange(figure, rect=(0, 0, 1, 1 - 0.035 * rows))
        return svg(figure)


def _line(
    axis: Axes,
    values: FloatArray,
    solved: xr.Dataset,
    color: str,
    style: str,
    text: str,
    lw: float = 1.2,
) -> None:
    """A path over steps, thinned; records that are missing are bridged."""
    known = np.flatnonzero(np.isfinite(values))
    index, kept = thin(values[known])
    steps = solved["step"].values[known][index.astype(int)]
    alpha = 0.45 if lw > 2 else 1.0
    axis.plot(steps, kept, color=color, ls=style, lw=lw, alpha=alpha, label=text)
