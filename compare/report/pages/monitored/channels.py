"""Layers and output channels of a monitored run: which turn, jump, stand still or collapse."""

from collections.abc import Sequence

import numpy as np

from compare.measure.channels import Channels
from compare.report.figures.over_time.channels import MAX_LAYERS, telling
from compare.report.html.captions import CHANNELS
from compare.report.html.page import Figure, Fold, Section
from compare.report.tables.cells import Table, count, number, percent
from theory.arrays import BoolArray

MAX_ROWS = 12  # layers in the table that is open
MAX_NAMED = 3  # channels that a sentence names
HEAD = (
    "layer",
    "channels",
    "median norm ρ_c",
    "smallest",
    "largest",
    "median turn θ_c [rad]",
    "largest jump between records",
    "jumped",
    "stand still",
    "collapsed",
)


def section(channels: Channels, address: str, svg: str, *, of_run: str) -> Section:
    """What the report says of the channels of a run.

    Args:
        channels: what was recorded of them.
        address: id of the section.
        svg: their figure, "" for none.
        of_run: ends the title where there are several runs.
    """
    shown = telling(channels, MAX_ROWS)
    others = [layer for layer in channels.layer_names if layer not in shown]
    folds = []
    if others:
        folds.append(Fold(f"{len(others)} more layers", table=_table(channels, others)))
    return Section(
        address,
        f"Layers and channels{of_run}",
        text=[_about(channels), *worst(channels)],
        figures=[Figure(address, svg, CHANNELS)] if svg else [],
        tables=[_table(channels, shown)],
        notes=[_note(channels, svg)],
        folds=folds,
    )


def worst(channels: Channels) -> list[str]:
    """Sentences that name the channels to look at."""
    return list(filter(None, [_collapsed(channels), _frozen(channels), _moving(channels)]))


def _about(channels: Channels) -> str:
    """What a channel is, and how often it was looked at."""
    n, layers = len(channels.names), len(channels.layer_names)
    return (
        "Behind batch norm every output channel is scale-invariant alone, and obeys a norm law of "
        f"its own. {count(n)} channels of {layers} layer{'s' * (layers > 1)} were recorded "
        f"{count(len(channels.steps))} time{'s' * (len(channels.steps) > 1)}."
    )


def _collapsed(channels: Channels) -> str:
    """Channels below the epsilon, the first of them first."""
    if not channels.eps:
        return "The ε of the normalisation is not known, so collapsed channels are not told."
    if not channels.collapsed.any():
        return f"No channel collapsed below the ε of the normalisation, {number(channels.eps)}."
    first = (channels.norm**2 < channels.eps).argmax(axis=0)
    places = sorted(np.flatnonzero(channels.collapsed), key=lambda i: first[i])
    named = [f"{channels.names[i]} at step {channels.steps[first[i]]:,}" for i in places]
    return (
        f"{_of_all(channels.collapsed)} collapsed: the squared norm fell below the ε of the "
        f"normalisation, {number(channels.eps)}, in {_some(named)}. For independent inputs of unit "
        "variance it is the variance that is normalised; below ε its scale is no longer restored."
    )


def _frozen(channels: Channels) -> str:
    """Channels that stand still, by their share of the layer's squared norm."""
    if not channels.frozen.any():
        return ""
    places = sorted(np.flatnonzero(channels.frozen), key=lambda i: -channels.share[i])
    named = [f"{channels.names[i]} ({number(channels.share[i])})" for i in places]
    return (
        f"{_of_all(channels.frozen)} stood still, turning by less than 1 % of what the median "
        f"channel turns by, as without a gradient: {_some(named)}. In brackets: the share in the "
        "squared norm of the layer."
    )


def _moving(channels: Channels) -> str:
    """The channel that turns fastest, and the one that grew most."""
    said = []
    if np.isfinite(channels.median_angle).any():
        i = int(np.nanargmax(channels.median_angle))
        typical = np.nanmedian(channels.median_angle[channels.layers == channels.layers[i]])
        said.append(
            f"{channels.names[i]} turns fastest, by {number(channels.median_angle[i])} rad per "
            f"step, {number(channels.median_angle[i] / typical)} times the median of its layer."
        )
    if channels.jumped.any():
        i = int(np.nanargmax(channels.largest_jump))
        said.append(
            f"{_of_all(channels.jumped)} jumped: the norm grew by 5 % after a fall by as much. "
            f"{channels.names[i]} grew most between two records, by "
            f"{percent(channels.largest_jump[i], signed=False)} up to step "
            f"{channels.steps[channels.largest_jump_at[i]]:,}."
        )
    return " ".join(said)


def _note(channels: Channels, svg: str) -> str:
    """What is not shown."""
    left_out = max(len(channels.layer_names) - MAX_LAYERS, 0) if svg else 0
    figure = (
        f" The figure shows the {MAX_LAYERS} most telling layers, {left_out} are left out: first "
        "those with channels that collapsed, stood still or jumped, then the widest spread."
        if left_out
        else ""
    )
    return f"Norms and turns are of single steps; what lies between records is not seen.{figure}"


def _table(channels: Channels, layers: Sequence[str]) -> Table:
    """A row for each layer."""
    rows = []
    for layer in layers:
        inside = channels.layers == layer
        norm = channels.norm[:, inside]
        angles = channels.median_angle[inside]
        jumps = channels.largest_jump[inside & channels.jumped]
        rows.append(
            [
                layer,
                count(int(inside.sum())),
                number(float(np.median(norm))),
                number(float(norm.min())),
                number(float(norm.max())),
                number(float(np.nanmedian(angles)) if np.isfinite(angles).any() else np.nan),
                percent(float(jumps.max()) if len(jumps) else np.nan),
                *(
                    count(int(flag[inside].sum()))
                    for flag in (channels.jumped, channels.frozen, channels.collapsed)
                ),
            ]
        )
    return Table("Channels of each layer, over all records", HEAD, rows)


def _of_all(flag: BoolArray) -> str:
    """How many channels of all, as the beginning of a sentence."""
    return f"{count(int(flag.sum()))} of {count(len(flag))} channels"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many follow."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
