"""One period in close-up, with its phases: the figure that shows what happens in a jump.

Source: Lobacheva et al. 2021 (arXiv 2106.15739), the close-up of a single period.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from compare.measure.over_seeds import with_period
from compare.report.figures import style
from compare.report.figures.over_time import phase_shading
from compare.report.figures.style import NETWORK, STYLE, THEORY, arrange, count_steps, svg
from theory.laws import decay_rate
from theory.trajectory import record_every, recorded
from theory.vocabulary import label

NAMES = ("train_loss", "effective_grad_norm", "weight_norm", "effective_lr")
MARGIN = 0.15  # of the period, on either side
FEWEST_RECORDS = 30  # in a period, to be worth a close-up


@dataclass(frozen=True)
class Period:
    """One complete period of a run, from landing to landing.

    Attributes:
        run: its id.
        number: which of the run's periods, from 1.
        start: step at which elr begins to rise.
        end: step of the next landing.
    """

    run: str
    number: int
    start: float
    end: float

    @property
    def span(self) -> tuple[float, float]:
        """First and last step to be shown."""
        margin = MARGIN * (self.end - self.start)
        return max(0.0, self.start - margin), self.end + margin


def choose(comparison: xr.Dataset, settings: xr.Dataset) -> Period | None:
    """The period of median length in the slowest periodic setting; None where there is none.

    Of settings at a constant rate without momentum: for them the course of decay alone is known.
    """
    periodic = with_period(settings)
    first = comparison.sel(run=periodic["first_run"].values)
    plain = (first["update_rule"].values == "sgd") & (first["momentum"].values == 0)
    constant = np.isfinite(first["decay_rate_ratio"].values)
    periodic = periodic.isel(setting=plain & constant)
    if not periodic.sizes["setting"]:
        return None
    run = str(periodic["first_run"].values[periodic["period"].values.argmax()])
    landings = comparison["cycle_landing"].sel(run=run).values[1:]  # the first follows no jump
    landings = landings[np.isfinite(landings)]
    if len(landings) < 2:
        return None
    lengths = np.diff(landings)
    i = int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    return Period(run, i + 2, landings[i], landings[i + 1])


def draw(networks: xr.Dataset, comparison: xr.Dataset, settings: xr.Dataset) -> dict[str, str]:
    """Draw the close-up, as SVG by name; nothing where no period is worth one."""
    period = choose(comparison, settings)
    every = record_every(networks)
    if period is None or period.end - period.start < FEWEST_RECORDS * every:
        return {}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(NAMES), 1, figsize=(6.4, 7.6), sharex=True)
        for axis, name in zip(axes, NAMES, strict=True):
            _draw(axis, networks, comparison, period, name)
        one = networks.sel(run=period.run)
        axes[0].set_title(f"period {period.number} of a run at ηλ = {float(one.intrinsic_lr):.2g}")
        count_steps(axes[-1])
        axes[-1].legend(loc="upper left")
        marks = phase_shading.legend_patches(*axes)
        figure.legend(handles=marks, loc="lower center", ncols=3, fontsize=7, **style.NARROW)
        arrange(figure, rect=(0, 0.03, 1, 1))
        return {"close_up": svg(figure)}


def _draw(
    axis: Axes, networks: xr.Dataset, comparison: xr.Dataset, period: Period, name: str
) -> None:
    """One quantity over the period; for norm and elr with what decay alone does."""
    values = recorded(networks, period.run, name)
    steps = record_every(networks) * np.arange(len(values))
    shown = (steps >= period.span[0]) & (steps <= period.span[1])
    axis.plot(steps[shown], values[shown], color=NETWORK, lw=0.9, label="network")
    axis.set(yscale="log", ylabel=label(name), xlim=period.span)
    if name in ("weight_norm", "effective_lr"):
        rate = decay_rate(float(networks["intrinsic_lr"].sel(run=period.run)))
        rise = np.array([period.start, period.end])
        start = values[np.searchsorted(steps, period.start)]
        sign = 1 if name == "effective_lr" else -0.5
        alone = start * np.exp(sign * rate * (rise - period.start))
        axis.plot(rise, alone, "--", color=THEORY, lw=1.2, label="decay alone")
    low, high = axis.get_ylim()
    phase_shading.shade(axis, comparison.sel(run=period.run), int(steps[-1]))
    axis.set_ylim(low, high)
