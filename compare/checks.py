"""Exact laws (level 0) and one-number theory (level 1) held against a trajectory."""

from __future__ import annotations

import numpy as np
import xarray as xr

from theory import equilibrium, laws
from theory.laws import FloatArray
from theory.trajectory import recorded


def norm_law_residual(
    weight_norm: FloatArray, g: FloatArray, learning_rate: float, weight_decay: float
) -> float:
    """Largest relative deviation of ``rho'^2`` from the norm law over consecutive steps."""
    predicted = laws.next_weight_norm(weight_norm[:-1], g[:-1], learning_rate, weight_decay)
    return _largest((weight_norm[1:] / predicted) ** 2 - 1)


def elr_law_residual(
    weight_norm: FloatArray, g: FloatArray, learning_rate: float, weight_decay: float
) -> float:
    """Largest relative deviation of phi from ``phi' = B phi / (1 + phi^2 g^2)``."""
    phi = laws.reduced_lr(weight_norm, learning_rate, weight_decay)
    setting = (learning_rate, weight_decay)
    return _largest(phi[1:] / laws.next_reduced_lr(phi[:-1], g[:-1], *setting, *setting) - 1)


def angle_law_residual(
    angular_update: FloatArray,
    weight_norm: FloatArray,
    g: FloatArray,
    learning_rate: float,
    weight_decay: float,
) -> float:
    """Largest relative deviation of the measured angle from ``tan(theta) = phi g``."""
    predicted = laws.angular_update(weight_norm, g, learning_rate, weight_decay)
    return _largest(angular_update / predicted - 1)


def jump_agreement(
    angular_update: FloatArray,
    weight_norm: FloatArray,
    g: FloatArray,
    learning_rate: float,
    weight_decay: float,
) -> float:
    """Share of steps on which angle and criterion agree that the step is a delta-jump.

    With ``delta = eta lam``, the angle above which the norm grows.
    """
    delta = learning_rate * weight_decay
    turned = angular_update > laws.stationary_angle(delta)
    said = laws.is_delta_jump(weight_norm, g, learning_rate, weight_decay, delta)
    return float(np.mean(turned == said))


def check_laws(trajectories: xr.Dataset) -> xr.Dataset:
    """Level 0 for every run: residuals of the exact laws, along ``run``."""
    rows = []
    for run in trajectories["run"].values:
        one = trajectories.sel(run=run)
        norm, g, angle = (
            recorded(trajectories, run, name)
            for name in ("weight_norm", "effective_grad_norm", "angular_update")
        )
        setting = (float(one["learning_rate"]), float(one["weight_decay"]))
        rows.append(
            {
                "norm_law_residual": norm_law_residual(norm, g, *setting),
                "elr_law_residual": elr_law_residual(norm, g, *setting),
                "angle_law_residual": angle_law_residual(angle, norm, g, *setting),
                "jump_agreement": jump_agreement(angle, norm, g, *setting),
            }
        )
    columns = {name: ("run", [row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset(columns, {"run": trajectories["run"].values})


def equilibrium_from_gradient(observed: xr.Dataset) -> xr.DataArray:
    """Level 1: equilibrium norm of each run from its own mean squared effective gradient."""
    norms = [
        equilibrium.sgd(lr, wd, p).norm if np.isfinite(p) and p > 0 and wd > 0 else np.nan
        for lr, wd, p in zip(
            observed["learning_rate"].values,
            observed["weight_decay"].values,
            observed["mean_squared_g"].values,
            strict=True,
        )
    ]
    return xr.DataArray(norms, {"run": observed["run"].values}, ["run"])


def _largest(deviation: FloatArray) -> float:
    """Largest absolute value; NaN where there is none."""
    return float(np.abs(deviation).max()) if len(deviation) else float("nan")
