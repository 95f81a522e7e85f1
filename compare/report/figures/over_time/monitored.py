"""Figures of a run that was monitored: its trajectory and its layers, as SVG."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, count_steps, series, svg
from theory.arrays import FloatArray
from theory.cycle_models.next_jump import Outlook
from theory.laws.equilibrium import Equilibrium
from theory.trajectory import recorded
from theory.vocabulary import label

MAX_NAMED = 12  # layers that a legend can name
LABEL_WIDTH = 22  # letters in a line of an axis label
POINTS = 200
FURTHER = 1.2  # than the 90 % interval
SERIES = ("train_loss", "weight_norm", "effective_lr", "angular_update")


def trajectory(trajectories: xr.Dataset, run: str, settled: Equilibrium | None) -> str:
    """Loss, norm, elr and angle of a run; where the optimizer's equilibrium lies, if it is known.

    Args:
        trajectories: a Dataset of the schema.
        run: id of the run.
        settled: the predicted equilibrium.
    """
    names = [name for name in SERIES if np.isfinite(recorded(trajectories, run, name)).any()]
    names = names or list(SERIES)  # empty axes for a run that ended at once
    levels = {} if settled is None else {**vars(settled), "weight_norm": settled.norm}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(names), 1, figsize=(7.2, 1.9 * len(names)), sharex=True, squeeze=False
        )
        for axis, name in zip(axes[:, 0], names, strict=True):
            _line(axis, *series(trajectories, run, name), "training")
            if name == "train_loss":
                _test_loss(axis, trajectories.sel(run=run))
            if name in levels:
                axis.axhline(levels[name], color=THEORY, ls="--", lw=1.2, label="equilibrium")
            axis.set_ylabel(textwrap.fill(label(name), LABEL_WIDTH))
            axis.legend(loc="best")
        count_steps(axes[-1, 0])
        arrange(figure)
        return svg(figure)


def ahead(outlook: Outlook) -> str:
    """Probability of the next jump against steps from now, median wait and 90 % interval."""
    low, high = outlook.low, outlook.high
    steps = np.linspace(0, max(FURTHER * high, outlook.n_steps, 1), POINTS)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(7.2, 2.6))
        axis.axvspan(low, high, color=THEORY, alpha=0.12, lw=0, label="90 %")
        axis.plot(steps, [outlook.probability(one) for one in steps.tolist()], color=THEORY)
        axis.axvline(outlook.median_wait, color=THEORY, ls="--", lw=1.2, label="median wait")
        axis.set_ylim(0, 1)
        axis.set_ylabel("probability of a jump")
        count_steps(axis)
        axis.set_xlabel("steps from now")
        axis.legend(loc="lower right")
        arrange(figure)
        return svg(figure)


def layers(trajectories: xr.Dataset, run: str) -> str:
    """Norm and effective gradient of each layer, from the first (violet) to the last (yellow)."""
    one = trajectories.sel(run=run)
    names = [str(name) for name in one["layer"].values]
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(names)))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(7.2, 6.4), sharex=True)
        for axis, quantity in zip(
            axes, ("layer_weight_norm", "layer_effective_grad_norm"), strict=True
        ):
            for name, color in zip(names, colors, strict=True):
                values = one[quantity].sel(layer=name).values
                known = np.isfinite(values) & (values > 0)
                steps = one["eval_step"].values[known]
                marker = "." if known.sum() < 30 else ""
                axis.plot(steps, values[known], color=color, lw=1, marker=marker, label=name)
            _logarithmic(axis)
            axis.set_ylabel(label(quantity))
        count_steps(axes[-1], "eval_step")
        if len(names) <= MAX_NAMED:
            axes[0].legend(fontsize=7, ncols=2)
        arrange(figure)
        return svg(figure)


def _line(axis: Axes, steps: FloatArray, values: FloatArray, text: str) -> None:
    """A series on a logarithmic axis, without what is not positive."""
    shown = np.where(values > 0, values, np.nan)
    axis.plot(steps, shown, color=NETWORK, lw=0.9, label=text)
    _logarithmic(axis)


def _test_loss(axis: Axes, one: xr.Dataset) -> None:
    """Test losses as points, where they were given."""
    if "test_loss" not in one:
        return
    values = one["test_loss"].values
    known = values > 0
    axis.plot(one["eval_step"].values[known], values[known], "k.", ms=4, label="test")


def _logarithmic(axis: Axes) -> None:
    """A logarithmic axis, if something positive is on it."""
    if any(np.nanmax(line.get_ydata(), initial=0) > 0 for line in axis.lines):
        axis.set_yscale("log")
