"""The figure of two studies side by side: periods of both on the same axes, as SVG."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes

from compare.measure.over_seeds import with_period
from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, svg
from theory.vocabulary import VARIABLES, label

MARKS = (("A", "o", "-"), ("B", "s", "--"))


def periods(studies: Sequence[xr.Dataset]) -> str:
    """Draw periods against ``eta lam``; told apart by marker and line, not by colour.

    Args:
        studies: two studies, setting by setting.

    Returns:
        The SVG; "" where neither study has a period.
    """
    known = [with_period(settings) for settings in studies]
    if not any(settings.sizes["setting"] for settings in known):
        return ""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
        for periodic, (name, marker, line) in zip(known, MARKS, strict=True):
            x = periodic["intrinsic_lr"]
            _draw(axes[0], periodic, xr.ones_like(x), name, marker, line)
            _draw(axes[1], periodic, x, name, marker, line)
        axes[0].set(xscale="log", yscale="log", ylabel=VARIABLES["period"].label)
        axes[1].set(xscale="log", ylabel="decay of the log norm in a period, T ηλ")
        axes[1].set_ylim(bottom=0)
        axes[1].set_xlabel(label("intrinsic_lr"))
        axes[0].legend(loc="lower left")
        arrange(figure)
        return svg(figure)


def _draw(
    axis: Axes, periodic: xr.Dataset, scale: xr.DataArray, name: str, marker: str, line: str
) -> None:
    """Measured and predicted periods of one study, times a scale."""
    if not periodic.sizes["setting"]:
        return
    x, measured, error = (
        values.values
        for values in (
            periodic["intrinsic_lr"],
            periodic["period"] * scale,
            periodic["period_sem"] * scale,
        )
    )
    axis.errorbar(
        x, measured, error, fmt=marker, color=NETWORK, ms=5, capsize=3, label=f"{name}: networks"
    )
    if "predicted_period" in periodic:
        predicted = (periodic["predicted_period"] * scale).values
        axis.plot(x, predicted, line, color=THEORY, lw=1.2, label=f"{name}: kick model")
