"""Regimes at a fixed effective learning rate, measured beside published."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.published.values import OnSphere
from compare.report.figures.style import NETWORK, PUBLISHED, STYLE, arrange, count_steps, svg
from theory.trajectory import record_every, recorded
from theory.vocabulary import label

MARKERS = {"convergence": "o", "periodic": "^", "equilibrium": "s", "divergence": "X"}


def draw(networks: xr.Dataset, comparison: xr.Dataset, known: Mapping[float, OnSphere]) -> str:
    """Loss over time, and loss and gradient of the last quarter against the fixed elr.

    Beside them what was published at each elr; filled for the study, hollow for the others.
    """
    elr = comparison["fixed_effective_lr"].values
    order = np.argsort(elr, kind="stable")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(11, 4))
        _losses_over_time(axes[0], networks, elr)
        for axis, name in zip(axes[1:], ("train_loss", "effective_grad_norm"), strict=True):
            late = comparison[f"late_{name}"].values
            axis.plot(elr[order], late[order], color=NETWORK, lw=0.6, alpha=0.5)
            for regime, marker in MARKERS.items():
                chosen = (comparison["regime"] == regime).values
                if chosen.any():
                    axis.plot(elr[chosen], late[chosen], marker, color=NETWORK, label=regime)
            for at, one in known.items():
                value = getattr(one, name)
                axis.plot(at, value, MARKERS[one.regime], color=PUBLISHED, mfc="white")
            axis.set(xscale="log", yscale="log", xlabel="fixed effective learning rate η/ρ²")
            axis.set_ylabel(f"{label(name)}, last quarter")
        axes[1].legend()
        if known:
            axes[2].plot([], [], "o", color=PUBLISHED, mfc="white", label="published, width 32")
            axes[2].legend()
        arrange(figure)
        return svg(figure)


def _losses_over_time(axis: Axes, networks: xr.Dataset, elr: np.typing.NDArray[np.float64]) -> None:
    """Smoothed loss of one run for each of the fixed elr, coloured by it."""
    # the seeds of a setting start from the same rate up to rounding
    levels, first = np.unique([float(f"{rate:.6g}") for rate in elr], return_index=True)
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(levels)))
    for row, shade in zip(first, shades, strict=True):
        loss = recorded(networks, str(networks["run"].values[row]), "train_loss")
        blocks = np.array_split(loss, min(len(loss), 200))
        steps = record_every(networks) * np.cumsum([len(block) for block in blocks])
        axis.plot(steps, [b.mean() for b in blocks], color=shade, lw=0.9, label=f"{elr[row]:g}")
    axis.set(yscale="log", ylabel=label("train_loss"))
    count_steps(axis)
    axis.legend(
        title="η/ρ²",
        fontsize=7,
        title_fontsize=7,
        ncols=4,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )
