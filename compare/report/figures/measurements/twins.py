"""Distance between the directions of twins over time."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from compare.report.figures.style import COLORS, STYLE, arrange, count_steps, svg


def draw(comparison: xr.Dataset) -> str:
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
        axis.set(yscale="log", ylabel="distance of directions |u − u′|")
        count_steps(axis, "eval_step")
        axis.legend()
        arrange(figure)
        return svg(figure)
