"""Figures of the toys study, as SVG: simulation and prediction on the same axes."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from compare.report.figures.style import STYLE, svg
from compare.report.figures.toys import isotropic, losses, oscillator

FIGURES = {
    draw.__name__: draw
    for draw in (
        isotropic.fixed_point, isotropic.oscillations, isotropic.cycle, isotropic.entry_exit,
        isotropic.floor, losses.underflow, losses.blocks, losses.noise, losses.rayleigh,
        losses.logistic, oscillator.closure, oscillator.regimes,
    )
}  # fmt: skip


def draw(data: xr.Dataset) -> dict[str, str]:
    """Draw every figure of the study from its ``/theory`` group, by the name of its toy."""
    drawn = {}
    for name, figure in FIGURES.items():
        own = {str(key): one for key, one in data.variables.items() if str(key).startswith(name)}
        series = {key.removeprefix(f"{name}_"): np.asarray(one) for key, one in own.items()}
        with plt.rc_context(STYLE):
            drawn[name] = svg(figure(series))
    return drawn
