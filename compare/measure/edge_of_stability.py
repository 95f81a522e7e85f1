"""How close training is to the edge of stability when it destabilises."""

import numpy as np
import xarray as xr

from theory.arrays import FloatArray

# Gradient descent on a quadratic of this curvature times its step neither falls nor grows.
EDGE = 2.0
WINDOW = 0.2
RUNAWAY = 2.0


def before_first_jump(networks: xr.Dataset, first_jump: xr.DataArray) -> xr.Dataset:
    """Mean of ``elr S`` over the last stretch before each run's first jump.

    Full-batch descent at a slowly rising elr goes unstable at ``elr S = 2``, with S the spherical
    sharpness. It then bounces, and the product hovers around 2, above and below, before it runs
    away; so the geometric mean is taken over the evaluations in the last 0.2 of ``ln(elr)`` before
    the jump, without those at which the loss has already doubled. An odd ``eval_every`` sees both
    sides of the bounce. Noise of batches makes jumps come much earlier.

    Source: Cohen et al. 2021 (arXiv 2103.00065), section 2, with the step on the sphere.

    Args:
        networks: trajectories with ``spherical_sharpness`` and ``probe_loss`` on ``eval_step``.
        first_jump: step of each run's first jump, (n_runs,), NaN where there is none.

    Returns:
        ``stability_before_jump`` along ``run``; NaN where no evaluation lies in the stretch. Empty
        where the sharpness was not measured.
    """
    if "spherical_sharpness" not in networks:
        return xr.Dataset()
    steps = networks["eval_step"].values
    values = [
        _mean_of_run(
            networks["effective_lr"].sel(run=run, step=steps).values,
            networks["spherical_sharpness"].sel(run=run).values,
            networks["probe_loss"].sel(run=run).values,
            steps < onset,
        )
        for run, onset in zip(networks["run"].values, first_jump.values, strict=True)
    ]
    return xr.Dataset({"stability_before_jump": ("run", values)}, {"run": networks["run"].values})


def _mean_of_run(
    elr: FloatArray, sharpness: FloatArray, loss: FloatArray, before: np.typing.NDArray[np.bool_]
) -> float:
    """Geometric mean of ``elr S`` where elr is near its last value before the jump."""
    known = before & (sharpness > 0)
    if not known.any():
        return float("nan")
    near = known & (np.log(elr) > np.log(elr[known][-1]) - WINDOW)
    near &= loss < RUNAWAY * loss[near].min()
    return float(np.exp(np.log(elr[near] * sharpness[near]).mean()))
