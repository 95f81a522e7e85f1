"""Figures of the toys study, as SVG: simulation and prediction on the same axes."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report.figures.style import STYLE, svg
from compare.report.figures.toys import isotropic, losses, oscillator
from theory.arrays import FloatArray

FIGURES: dict[str, Callable[[dict[str, FloatArray]], Figure]] = {
    function.__name__: function
    for function in (
        isotropic.fixed_point, isotropic.oscillations, isotropic.cycle,
        isotropic.entry_exit, isotropic.floor,
        losses.underflow, losses.blocks, losses.noise,
        losses.rayleigh, losses.logistic,
        oscillator.closure, oscillator.regimes,
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
