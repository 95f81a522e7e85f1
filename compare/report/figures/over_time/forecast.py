"""Figures of a forecast: the planned run as a fan, its jumps, and what the pilots showed."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.ticker import LogLocator, NullFormatter

from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, count_steps, svg
from theory.vocabulary import label

BANDS = ((0, 4, 0.15, "90 % of paths"), (1, 3, 0.3, "half of them"))
MIDDLE = 2
STEP = "step of the planned run"


def fan(forecast: xr.Dataset) -> str:
    """Effective learning rate and norm of the planned run over time, with some paths."""
    steps = forecast["planned_step"].values
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True)
        for axis, name in zip(axes, ("effective_lr", "weight_norm"), strict=True):
            values = forecast[name].values
            for low, high, alpha, text in BANDS:
                axis.fill_between(
                    steps, values[low], values[high], color=THEORY, alpha=alpha, lw=0, label=text
                )
            axis.set_ylabel(label(name))
            axis.set_yscale("log")
        path = forecast["sample_effective_lr"].values[0]
        axes[0].plot(steps, path, color=THEORY, lw=0.9, label="one run as it may go")
        axes[1].plot(steps, forecast["weight_norm"].values[MIDDLE], color=THEORY, label="middle")
        count_steps(axes[1])
        axes[1].set_xlabel(STEP)
        for axis in axes:
            axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        arrange(figure)
        return svg(figure)


def jumps(forecast: xr.Dataset) -> str:
    """When the first jump comes, and how many are due when."""
    left = forecast["bin_step"].values
    width = float(left[1] - left[0])
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 3.2))
        middle = left + width / 2
        axis.bar(
            middle, forecast["jump_density"], width, color=THEORY, alpha=0.3, label="all jumps"
        )
        axis.bar(middle, forecast["first_jump_density"], width, color=THEORY, label="first jump")
        count_steps(axis)
        axis.set_xlabel(STEP)
        axis.set_ylabel(f"expected jumps\nin {width:.3g} steps")
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        arrange(figure)
        return svg(figure)


def pilots(table: xr.Dataset, decay: float) -> str:
    """Growth of ln rho^2 in a period against eta lam: pilots, the law, the planned run."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 3.6))
        names = ("curve_intrinsic_lr", "kick_law", "kick_law_error")
        x, law, error = (table[name].values for name in names)
        axis.fill_between(
            x,
            law - 1.645 * error,
            law + 1.645 * error,
            color=THEORY,
            alpha=0.15,
            lw=0,
            label="90 % of what the mean may be",
        )
        axis.plot(x, law, color=THEORY, label="law")
        seen = np.isfinite(table["kick"].values)
        axis.errorbar(
            table["intrinsic_lr"].values[seen],
            table["kick"].values[seen],
            table["kick_sem"].values[seen],
            fmt="o",
            color=NETWORK,
            capsize=3,
            label="pilots (± standard error)",
        )
        axis.axvline(decay, color="black", lw=1, ls=":", label="planned run")
        axis.set(xscale="log", ylim=(0, None))
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("share of the norm that decay takes in a step")
        axis.set_ylabel("growth of ln ρ² in a period")
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        arrange(figure)
        return svg(figure)
