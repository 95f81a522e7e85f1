"""The equilibrium of training with decay, predicted from training at a fixed norm.

At a fixed effective learning rate (elr) above that of convergence a run settles to some mean
squared gradient p(elr). With decay the norm rests where gradients add what decay takes,

    elr sqrt(p(elr)) = sqrt(eta lam (2 - eta lam)),

the exact equilibrium of SGD (``theory.equilibrium``). With p measured on the sphere this is an
equation for elr without a free parameter. Where eta lam is so small that no settled run has so
small an ``elr sqrt(p)``, nothing can rest: training converges until it destabilises.

Source: the self-consistency of Wan et al. 2020 (arXiv 2006.08419), with p as Kodryan et al. 2022
(arXiv 2209.03695) measure it; the border of the regimes is hypothesis 4 of the project's theory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from theory.laws import FloatArray
from theory.trajectory import recorded

LATE = 0.5  # share of a run, at its end, over which p is a mean
MIN_RUNS = 2  # at different elr, to tell p(elr)


def predict(
    networks: xr.Dataset, regime: xr.DataArray, spheres: Mapping[str, Sequence[str]]
) -> xr.Dataset:
    """Predict the equilibrium norm of each run that has runs at a fixed norm beside it.

    Args:
        networks: trajectories.
        regime: measured regime of each run.
        spheres: ids of the runs at a fixed elr on the same loss, by run id.

    Returns:
        ``sphere_equilibrium_norm``, NaN where p is not known so far or nothing can rest, and
        ``sphere_regime_border``, the eta lam below which nothing can; empty without such runs.
    """
    if not any(spheres.values()):
        return xr.Dataset()
    norms, borders = (dict.fromkeys(map(str, networks["run"].values), np.nan) for _ in range(2))
    for run, others in spheres.items():
        settled = [one for one in others if str(regime.sel(run=one).values) == "equilibrium"]
        elr, turning = _curve(networks, settled)
        if len(elr) < MIN_RUNS:
            continue
        one = networks.sel(run=run)
        at_rest = equilibrium_elr(elr, turning, float(one["intrinsic_lr"]))
        norms[run] = float(np.sqrt(float(one["learning_rate"]) / at_rest))
        borders[run] = float(1 - np.sqrt(max(0.0, 1 - turning.min() ** 2)))
    columns = {"sphere_equilibrium_norm": norms, "sphere_regime_border": borders}
    runs = networks["run"].values
    return xr.Dataset(
        {name: ("run", list(values.values())) for name, values in columns.items()}, {"run": runs}
    )


def equilibrium_elr(elr: FloatArray, turning: FloatArray, intrinsic_lr: float) -> float:
    """Effective learning rate at which gradients add what decay takes.

    Args:
        elr: of settled runs, rising, (n,).
        turning: ``elr sqrt(p)`` of each, (n,), interpolated in logarithms.
        intrinsic_lr: eta lam.

    Returns:
        The largest such elr, as the chaotic branch is the one that rises; NaN outside the table.
    """
    wanted = np.log(intrinsic_lr * (2 - intrinsic_lr)) / 2
    x, excess = np.log(elr), np.log(turning) - wanted
    rising = np.flatnonzero((excess[:-1] <= 0) & (excess[1:] >= 0))
    if not len(rising):
        return float("nan")
    i = rising[-1]
    share = -excess[i] / (excess[i + 1] - excess[i])
    return float(np.exp(x[i] + share * (x[i + 1] - x[i])))


def _curve(networks: xr.Dataset, runs: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Effective learning rates of some runs, rising, and ``elr sqrt(p)`` of each."""
    squares: dict[float, list[float]] = {}
    for run in runs:
        g = recorded(networks, run, "effective_grad_norm")
        rate = float(networks["effective_lr"].sel(run=run)[0])
        late = float(np.mean(g[-max(1, round(LATE * len(g))) :] ** 2))
        squares.setdefault(float(f"{rate:.6g}"), []).append(late)  # alike for all seeds
    elr = np.array(sorted(squares), dtype=float)
    p = np.array([np.mean(squares[one]) for one in elr.tolist()])
    return elr, elr * np.sqrt(p)
