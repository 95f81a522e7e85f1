"""The equilibrium of training with decay, predicted from training at a fixed norm.

At a fixed effective learning rate (elr) above that of convergence a run settles to some mean
squared gradient p(elr). A step with decay turns the weights like one at a fixed norm with
``phi = elr/a``, ``a = 1 - eta lam`` (docs/theory.md, laws 3 and 4), and the norm rests where
gradients add what decay takes (law 2),

    phi sqrt(p(phi)) = sqrt(1/a^2 - 1).

With p measured on the sphere this is an equation for phi without a free parameter. Where eta lam is
so small that no settled run has so small a ``phi sqrt(p)``, nothing can rest: training converges
until it destabilises. The border lies between the lowest elr that settles and the highest that
converges.

Source: the self-consistency of Wan et al. 2020 (arXiv 2006.08419), with p as Kodryan et al. 2022
(arXiv 2209.03695) measure it; the border of the regimes is docs/theory.md, hypothesis 4.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from theory import laws
from theory.arrays import FloatArray
from theory.trajectory import recorded

LATE = 0.5  # share of a run, at its end, over which p is a mean
MIN_ELR = 2  # at which runs settled, to tell p


def predict(
    networks: xr.Dataset, regime: xr.DataArray, spheres: Mapping[str, tuple[str, ...]]
) -> xr.Dataset:
    """Predict the equilibrium norm of each run that has runs at a fixed norm beside it.

    Args:
        networks: trajectories.
        regime: measured regime of each run.
        spheres: ids of the runs at a fixed elr on the same loss, by run id.

    Returns:
        ``sphere_equilibrium_norm``, NaN where p is not known so far or nothing can rest,
        ``sphere_regime_border_low``, the eta lam below which nothing can, and
        ``sphere_regime_border_high``, above which it does; NaN where fewer than two elr settled,
        empty without runs at a fixed norm.
    """
    if not any(spheres.values()):
        return xr.Dataset()
    names = ("equilibrium_norm", "regime_border_low", "regime_border_high")
    runs = networks["run"].values
    found = {
        f"sphere_{name}": xr.DataArray(np.full(len(runs), np.nan), {"run": runs}, ["run"])
        for name in names
    }
    branches = {others: _branches(networks, regime, others) for others in set(spheres.values())}
    for run, others in spheres.items():
        phi, turning, converging = branches[others]
        if len(phi) < MIN_ELR:
            continue
        below = converging[converging < phi[0]].max(initial=0.0)
        one = networks.sel(run=run)
        elr = equilibrium_elr(phi, turning, float(one["intrinsic_lr"]))
        values = (
            np.sqrt(float(one["learning_rate"]) / elr),
            resting_decay(turning[0] * below / phi[0]),
            resting_decay(turning.min()),
        )
        for variable, value in zip(found.values(), values, strict=True):
            variable.loc[run] = value
    return xr.Dataset(found)


def resting_decay(turning: float) -> float:
    """The eta lam that takes what gradients add which turn the weights by ``tan = turning``.

    The inverse of ``laws.jump_constant``: the norm is at rest where ``1 - cos = eta lam`` (law 5).
    """
    return float(1 - 1 / np.sqrt(1 + turning**2))


def equilibrium_elr(phi: FloatArray, turning: FloatArray, intrinsic_lr: float) -> float:
    """Effective learning rate at which gradients add what decay takes.

    Args:
        phi: elr of settled runs at a fixed norm, rising, (n,).
        turning: ``phi sqrt(p)`` of each, (n,), interpolated in logarithms.
        intrinsic_lr: eta lam.

    Returns:
        The largest such elr, as the chaotic branch is the one that rises; NaN outside the table.
    """
    x, excess = np.log(phi), np.log(turning / laws.jump_constant(intrinsic_lr))
    rising = np.flatnonzero((excess[:-1] <= 0) & (excess[1:] >= 0))
    if not len(rising):
        return float("nan")
    i = rising[-1]
    share = -excess[i] / (excess[i + 1] - excess[i]) if excess[i + 1] > excess[i] else 0.0
    return float((1 - intrinsic_lr) * np.exp(x[i] + share * (x[i + 1] - x[i])))


def _branches(
    networks: xr.Dataset, regime: xr.DataArray, runs: Sequence[str]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``_curve`` of the runs that settled, and the elr of those that converge."""
    kinds = {one: str(regime.sel(run=one).values) for one in runs}
    phi, turning = _curve(networks, [one for one in runs if kinds[one] == "equilibrium"])
    converging, _ = _curve(networks, [one for one in runs if kinds[one] == "convergence"])
    return phi, turning, converging


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
