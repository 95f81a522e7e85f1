"""Sharpness and gradient as functions of the loss."""

from itertools import cycle

import matplotlib.pyplot as plt
import xarray as xr

from compare.measure.edge_of_stability import EDGE
from compare.report.figures.style import COLORS, STYLE, THEORY, arrange, count_steps, svg
from compare.report.tables.cells import each_setting, setting_name
from theory.vocabulary import label


def draw(networks: xr.Dataset, settings: xr.Dataset) -> str:
    """Sharpness and gradient as functions of the loss, and elr times sharpness over time."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
        for setting, color in zip(each_setting(settings), cycle(COLORS), strict=False):
            one = networks.sel(run=str(setting["first_run"].values))
            steps = one["eval_step"].values
            loss, s = one["probe_loss"].values, one["spherical_sharpness"].values
            product = one["effective_lr"].sel(step=steps, method="nearest").values * s
            name = setting_name(setting)
            axes[0].plot(loss, s, ".", color=color, ms=3, label=name)
            axes[1].plot(loss, one["probe_effective_grad_norm"].values, ".", color=color, ms=3)
            axes[2].plot(steps, product, color=color, lw=0.9)
        axes[2].axhline(EDGE, color=THEORY, lw=1.2, label="edge of stability")
        names = ("spherical_sharpness", "probe_effective_grad_norm", "")
        for axis, name in zip(axes, names, strict=True):
            axis.set(xscale="log" if name else "linear", yscale="log")
            axis.set_xlabel(label("probe_loss"))
            axis.set_ylabel(label(name) if name else "effective lr times sharpness, S η/ρ²")
        count_steps(axes[2], "eval_step")
        axes[0].legend(fontsize=7, markerscale=2)
        axes[2].legend()
        arrange(figure)
        return svg(figure)
