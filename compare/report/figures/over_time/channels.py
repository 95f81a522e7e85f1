"""Figure of the output channels of a monitored run: how far their norms spread in each layer."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from compare.measure.channels import Channels
from compare.report.figures.style import NETWORK, STYLE, Powers, arrange, count_steps, svg
from compare.report.html import theme
from theory.arrays import BoolArray
from theory.vocabulary import label

MAX_LAYERS = 6  # panels that stay readable
NARROW = 50.0  # span of an axis below which 2 and 5 are labelled between powers of ten
LABEL_WIDTH = 22  # letters in a line of the axis label
LONGEST = 34  # letters of a panel's title
COLLAPSED, JUMPED = theme.SHADES["fails"].light, theme.SERIES["amber"].light


def spread(channels: Channels) -> str:
    """Median, quartiles and extremes of the norms over time, a panel for each telling layer."""
    layers = telling(channels, MAX_LAYERS)
    n_columns = min(2, len(layers))
    n_rows = -(-len(layers) // n_columns)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            n_rows, n_columns, figsize=(7.2, 0.7 + 1.9 * n_rows), sharex=True, squeeze=False
        )
        for axis, layer in zip(grid.flat, layers, strict=False):
            _panel(axis, channels, layer)
        for axis in grid.flat[len(layers) :]:
            axis.set_visible(False)
        for axis in grid.flat[max(len(layers) - n_columns, 0) : len(layers)]:
            axis.tick_params(labelbottom=True)
            count_steps(axis)
        quantity = textwrap.fill(label("channel_weight_norm"), LABEL_WIDTH)
        figure.supylabel(quantity, fontsize=9, ha="center")
        held = {
            str(line.get_label()): line
            for axis in grid.flat
            for line in axis.get_legend_handles_labels()[0]
        }
        top = 1 - 0.32 / figure.get_figheight()
        figure.legend(
            list(held.values()),
            list(held),
            loc="lower center",
            ncols=len(held),
            bbox_to_anchor=(0.5, top),
        )
        arrange(figure, rect=(0, 0, 1, top))
        return svg(figure)


def telling(channels: Channels, most: int) -> list[str]:
    """The layers to look at first, at most so many, in the order of the network.

    First those with the largest share of collapsed channels, then of channels that stand still,
    then with the largest jump, then with the widest spread.
    """

    def rank(layer: str) -> tuple[float, ...]:
        inside = channels.layers == layer
        jumps = channels.largest_jump[inside & channels.jumped]
        norms = np.maximum(channels.median_norm[inside], np.finfo(float).tiny)
        return (
            float(channels.collapsed[inside].mean()),
            float(channels.frozen[inside].mean()),
            float(jumps.max(initial=0.0)),
            float(np.log(norms.max() / norms.min())),
        )

    kept = set(sorted(channels.layer_names, key=rank, reverse=True)[:most])
    return [layer for layer in channels.layer_names if layer in kept]


def _panel(axis: Axes, channels: Channels, layer: str) -> None:
    """One layer."""
    inside = channels.layers == layer
    steps, norm = channels.steps, channels.norm[:, inside]
    shown = np.where(norm > 0, norm, np.nan)
    low, first, median, third, high = np.percentile(shown, [0, 25, 50, 75, 100], axis=1)
    axis.fill_between(steps, first, third, color=NETWORK, alpha=0.3, lw=0, label="middle half")
    axis.plot(steps, median, color=NETWORK, lw=1.4, label="median")
    for values, text in ((low, "smallest, largest"), (high, "_")):
        axis.plot(steps, values, color=NETWORK, lw=0.8, ls=(0, (4, 2)), label=text)
    axis.set_yscale("log")
    _mark_collapsed(axis, channels, inside)
    _mark_jump(axis, channels, inside)
    short = layer if len(layer) <= LONGEST else f"…{layer[1 - LONGEST :]}"
    axis.set_title(f"{short}, {inside.sum()} channels", fontsize=8, loc="left")
    _ticks(axis)


def _ticks(axis: Axes) -> None:
    """A few labels on a logarithmic axis, whether it spans decades or less than one."""
    low, high = axis.get_ylim()
    few = high / low < NARROW
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    axis.yaxis.set_major_formatter(Powers(minor_thresholds=(np.inf, np.inf)))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _mark_collapsed(axis: Axes, channels: Channels, inside: BoolArray) -> None:
    """A cross where a channel fell below the epsilon, which is dotted."""
    norm = channels.norm[:, inside & channels.collapsed]
    if not norm.size:
        return
    below = norm**2 < channels.eps
    first = below.argmax(axis=0)
    values = np.maximum(norm[first, np.arange(norm.shape[1])], np.finfo(float).tiny)
    axis.axhline(channels.eps**0.5, color=COLLAPSED, ls=":", lw=1, label="√ε")
    axis.plot(channels.steps[first], values, "x", color=COLLAPSED, ms=5, label="collapsed")


def _mark_jump(axis: Axes, channels: Channels, inside: BoolArray) -> None:
    """A triangle at the end of the largest jump of a channel."""
    jumping = np.flatnonzero(inside & channels.jumped)
    if not len(jumping):
        return
    channel = jumping[channels.largest_jump[jumping].argmax()]
    record = channels.largest_jump_at[channel]
    place = channels.steps[record], channels.norm[record, channel]
    axis.plot(*place, "^", color=JUMPED, mec="black", mew=0.5, ms=6, ls="", label="largest jump")
