"""Runs whose directions theory says to be the same: how far apart they are, and until when."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from theory.arrays import FloatArray

# Directions farther apart than this, about 3 degrees, have parted.
PARTED = 0.05


def compare(networks: xr.Dataset, twins: Mapping[str, str]) -> xr.Dataset:
    """Distance of each run's direction ``w/rho`` from that of its twin.

    Equal ``eta lam`` with scaled starts, and a growing rate without decay, leave the path of
    directions unchanged. Rounding is what lets twins part, for training is chaotic.

    Source: laws 9 and 10 (Li et al. 2022, arXiv 2202.00980; Li and Arora 2019, arXiv 1910.07454).

    Args:
        networks: trajectories with ``direction_sketch``, in which a random projection keeps
            distances to about 10 %.
        twins: id of the twin for each run that has one.

    Returns:
        ``direction_error`` along ``run`` and ``eval_step``, NaN for runs without a twin, and along
        ``run`` ``first_direction_error``, of the first evaluation after a step was made, and
        ``parted_step``, the first evaluated step at which the error is above 0.05, NaN if there
        is none. Empty if no run has a twin.
    """
    if not twins or "direction_sketch" not in networks:
        return xr.Dataset()
    errors = np.full((networks.sizes["run"], networks.sizes["eval_step"]), np.nan)
    sketch = networks["direction_sketch"]
    for row, run in enumerate(networks["run"].values):
        if str(run) in twins:
            apart = sketch.sel(run=run) - sketch.sel(run=twins[str(run)])
            errors[row] = np.sqrt((apart**2).sum("sketch", skipna=False))
    steps = networks["eval_step"].values.astype(float)
    return xr.Dataset(
        {
            "direction_error": (("run", "eval_step"), errors),
            "first_direction_error": ("run", [_first_known(row[1:]) for row in errors]),
            "parted_step": ("run", [_parted(row, steps) for row in errors]),
        },
        {"run": networks["run"].values, "eval_step": networks["eval_step"].values},
    )


def _first_known(errors: FloatArray) -> float:
    known = errors[np.isfinite(errors)]
    return float(known[0]) if len(known) else float("nan")


def _parted(errors: FloatArray, steps: FloatArray) -> float:
    above = steps[errors > PARTED]
    return float(above[0]) if len(above) else float("nan")
