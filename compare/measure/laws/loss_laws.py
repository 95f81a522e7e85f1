"""Gradient and sharpness as power laws of the loss, fitted run by run."""

import numpy as np
import xarray as xr

from theory.arrays import FloatArray

MIN_POINTS = 5
MIN_SPAN = 2.0  # the loss must fall by this factor, or a slope says nothing
LAWS = {"gradient": "probe_effective_grad_norm", "sharpness": "spherical_sharpness"}


def fit(networks: xr.Dataset) -> xr.Dataset:
    """Fit ``g = c L^k`` and ``S = c L^k`` to each run's probes, by least squares in logarithms.

    Loss, gradient and sharpness are those on fixed training examples, so no noise of batches is
    in them. The first evaluation, of the untrained network, is left out.

    Source: theory of the reduced model, ``theory.cycle_models.oscillator``: both laws are its
    input.

    Args:
        networks: trajectories with ``probe_loss``, ``probe_effective_grad_norm`` and
            ``spherical_sharpness`` on ``eval_step``.

    Returns:
        ``gradient_exponent``, ``gradient_coefficient``, ``sharpness_exponent`` and
        ``sharpness_coefficient`` along ``run``, NaN where fewer than 5 evaluations are known or
        the loss does not fall by a factor of 2; empty where nothing was probed.
    """
    if "spherical_sharpness" not in networks:
        return xr.Dataset()
    columns: dict[str, tuple[str, list[float]]] = {}
    loss = networks["probe_loss"].values[:, 1:]
    for law, name in LAWS.items():
        values = networks[name].values[:, 1:]
        fits = [_power_law(one, other) for one, other in zip(loss, values, strict=True)]
        columns[f"{law}_exponent"] = ("run", [exponent for exponent, _ in fits])
        columns[f"{law}_coefficient"] = ("run", [coefficient for _, coefficient in fits])
    return xr.Dataset(columns, {"run": networks["run"].values})


def _power_law(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Exponent k and coefficient c of ``y = c x^k``."""
    known = (x > 0) & (y > 0)
    if known.sum() < MIN_POINTS or x[known].max() < MIN_SPAN * x[known].min():
        return float("nan"), float("nan")
    exponent, offset = np.polyfit(np.log(x[known]), np.log(y[known]), 1)
    return float(exponent), float(np.exp(offset))
