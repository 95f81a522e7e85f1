"""The effective learning rate of one run of each setting."""

import matplotlib.pyplot as plt
import xarray as xr

from compare.report.figures.style import NETWORK, STYLE, arrange, count_steps, series, svg
from compare.report.tables.cells import each_setting, setting_name
from theory.vocabulary import label

PANELS_IN_A_ROW = 3


def draw(networks: xr.Dataset, settings: xr.Dataset) -> str:
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
            count_steps(axis)
            axis.set_xlabel("")
        for axis in axes.flat[n:]:
            axis.set_visible(False)
        for column in range(min(n, PANELS_IN_A_ROW)):
            axes[(n - 1 - column) // PANELS_IN_A_ROW, column].set_xlabel(label("step"))
        figure.supylabel(label("effective_lr"), fontsize=9)
        arrange(figure)
        return svg(figure)
