"""Period against the intrinsic learning rate: measured, predicted and baseline."""

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from compare.measure.over_seeds import with_period
from compare.report.figures.style import BASELINE, NETWORK, STYLE, THEORY, arrange, svg
from theory.vocabulary import VARIABLES, label


def draw(settings: xr.Dataset) -> str:
    """Period against ``eta lam``: measured, predicted with its interval, and baseline."""
    periodic = with_period(settings)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
        _draw_periods(axes[0], periodic, xr.ones_like(periodic["intrinsic_lr"]))
        _draw_periods(axes[1], periodic, periodic["intrinsic_lr"])
        axes[0].set(xscale="log", yscale="log", ylabel=VARIABLES["period"].label)
        axes[1].set(xscale="log", ylabel="decay of the log norm in a period, T ηλ")
        axes[1].set_ylim(bottom=0)
        ticks = periodic["intrinsic_lr"].values
        axes[1].set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes[1].xaxis.set_minor_locator(NullLocator())
        axes[1].set_xlabel(label("intrinsic_lr"))
        axes[0].legend(loc="lower left")  # periods fall, so this corner is free
        arrange(figure)
        return svg(figure)


def _draw_periods(axis: Axes, periodic: xr.Dataset, scale: xr.DataArray) -> None:
    """Measured and predicted periods of the periodic settings, times a scale."""
    x = periodic["intrinsic_lr"]
    if "predicted_period" in periodic:
        low, high = (periodic[f"predicted_period_{end}"] * scale for end in ("low", "high"))
        axis.fill_between(
            x, low, high, color=THEORY, alpha=0.15, lw=0, label="90 % of single periods, predicted"
        )
        axis.plot(x, periodic["predicted_period"] * scale, color=THEORY, label="kick model")
        axis.plot(
            x,
            periodic["baseline_period"] * scale,
            "--",
            color=BASELINE,
            label="baseline T ηλ = const",
        )
    for role, face in (("calibration", "white"), ("held_out", NETWORK)):
        chosen = (periodic["role"] == role).values
        if not chosen.any():
            continue
        axis.errorbar(
            x.values[chosen],
            (periodic["period"] * scale).values[chosen],
            (periodic["period_std"] * scale).values[chosen],
            fmt="o",
            color=NETWORK,
            markerfacecolor=face,
            capsize=3,
            label=f"network, {role.replace('_', '-')} (± spread of single periods)",
        )
