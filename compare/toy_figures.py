"""Figures of the toys study, as SVG: simulation and prediction on the same axes."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare import toy_cycle_figures, toy_loss_figures, toy_oscillator_figures
from compare.figures import STYLE, svg
from theory.laws import FloatArray

FIGURES: dict[str, Callable[[dict[str, FloatArray]], Figure]] = {
    function.__name__: function
    for function in (
        toy_cycle_figures.fixed_point, toy_cycle_figures.oscillations, toy_cycle_figures.cycle,
        toy_cycle_figures.entry_exit, toy_cycle_figures.floor,
        toy_loss_figures.underflow, toy_loss_figures.blocks, toy_loss_figures.noise,
        toy_loss_figures.rayleigh, toy_loss_figures.logistic,
        toy_oscillator_figures.closure, toy_oscillator_figures.regimes,
    )
}  # fmt: skip


def draw(data: xr.Dataset) -> dict[str, str]:
    """Draw every figure of the study from its ``/theory`` group, by the name of its toy."""
    drawn = {}
    for name, function in FIGURES.items():
        prefix = f"{name}_"
        series = {
            str(key).removeprefix(prefix): np.asarray(values.values)
            for key, values in data.variables.items()
            if str(key).startswith(prefix)
        }
        with plt.rc_context(STYLE):
            drawn[name] = svg(function(series))
    return drawn
