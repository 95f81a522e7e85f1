"""Figures of studies that vary more than rate and decay: controls, twins, the sphere, sharpness."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare import theme
from compare.figures import NETWORK, PUBLISHED, STYLE, THEORY, label, series, svg
from compare.published import OnSphere
from compare.stability import EDGE
from compare.tables import each_setting, setting_name
from theory.trajectory import record_every, recorded

COLORS = tuple(shade.light for shade in theme.SERIES.values())
MARKERS = {"convergence": "o", "periodic": "^", "equilibrium": "s", "divergence": "X"}
PANELS_IN_A_ROW = 3


def draw(
    networks: xr.Dataset,
    comparison: xr.Dataset,
    settings: xr.Dataset,
    known: Mapping[float, OnSphere] | None = None,
) -> dict[str, str]:
    """Draw the figures that a study's data allow, as SVG by name.

    Args:
        networks: trajectories.
        comparison: the comparison along ``run``.
        settings: what ``metrics.by_setting`` makes of it.
        known: published results at a fixed effective learning rate, to stand beside the study's.
    """
    drawn = {}
    on_sphere = np.isfinite(comparison["fixed_effective_lr"].values)
    moving = settings.sel(setting=np.isnan(settings["fixed_effective_lr"].values))
    if (moving["variant"] != "").any():
        drawn["settings"] = panels(networks, moving)
    if on_sphere.sum() > 2:
        chosen = comparison.isel(run=on_sphere)
        drawn["sphere"] = sphere(networks.isel(run=on_sphere), chosen, known or {})
    if "direction_error" in comparison and (comparison["direction_error"] > 0).any():
        drawn["twins"] = twins(comparison)
    if "spherical_sharpness" in networks:
        drawn["sharpness"] = sharpness(networks, settings)
    return drawn


def panels(networks: xr.Dataset, settings: xr.Dataset) -> str:
    """The effective learning rate of the first run of each setting, a panel a setting."""
    n = settings.sizes["setting"]
    rows = -(-n // PANELS_IN_A_ROW)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, PANELS_IN_A_ROW, figsize=(11, 2.3 * rows + 0.4), squeeze=False
        )
        for axis, setting in zip(axes.flat, each_setting(settings), strict=False):
            run = str(setting["first_run"].values)
            axis.plot(*series(networks, run, "effective_lr"), color=NETWORK, lw=0.9)
            axis.set(yscale="log", title=f"{setting_name(setting)}: {setting['regime'].item()}")
        for axis in axes.flat[n:]:
            axis.set_visible(False)
        for column in range(min(n, PANELS_IN_A_ROW)):
            axes[(n - 1 - column) // PANELS_IN_A_ROW, column].set_xlabel(label("step"))
        figure.supylabel(label("effective_lr"), fontsize=9)
        figure.tight_layout()
        return svg(figure)


def sphere(networks: xr.Dataset, comparison: xr.Dataset, known: Mapping[float, OnSphere]) -> str:
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
        figure.tight_layout()
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
    axis.set(yscale="log", xlabel=label("step"), ylabel=label("train_loss"))
    axis.legend(
        title="η/ρ²",
        fontsize=7,
        title_fontsize=7,
        ncols=4,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )


def twins(comparison: xr.Dataset) -> str:
    """Distance of directions between twins over time, with the first jumps."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 4.2))
        known = comparison["direction_error"].notnull().any("eval_step").values
        names = np.unique(comparison["variant"].values[known])
        variants = dict(zip(names, cycle(COLORS), strict=False))
        for run in comparison["run"].values[known]:
            one = comparison.sel(run=run)
            variant = str(one["variant"].values)
            error = one["direction_error"].values
            shown = error > 0
            steps = one["eval_step"].values[shown]
            first = not any(line.get_label() == variant for line in axis.lines)
            axis.plot(
                steps, error[shown], color=variants[variant], lw=1, label=variant if first else "_"
            )
            axis.axvline(float(one["first_jump"]), color=variants[variant], lw=0.7, ls=":")
        axis.plot([], [], color="grey", lw=0.7, ls=":", label="first jump of a run")
        axis.set(yscale="log", xlabel=label("eval_step"), ylabel="distance of directions |u − u′|")
        axis.legend()
        figure.tight_layout()
        return svg(figure)


def sharpness(networks: xr.Dataset, settings: xr.Dataset) -> str:
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
            axis.set_xlabel(label("probe_loss") if name else label("eval_step"))
            axis.set_ylabel(label(name) if name else "effective lr times sharpness, S η/ρ²")
        axes[0].legend(fontsize=7, markerscale=2)
        axes[2].legend()
        figure.tight_layout()
        return svg(figure)
