"""Effective gradient against effective learning rate, and where the norm is stationary."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.ticker import LogLocator

from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, svg
from theory import laws
from theory.trajectory import recorded
from theory.vocabulary import label


def draw(networks: xr.Dataset, theory: xr.Dataset, settings: xr.Dataset) -> str:
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
        arrange(figure)
        return svg(figure)
