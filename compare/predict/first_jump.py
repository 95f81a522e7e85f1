r"""The first jump, predicted from training on the sphere, where no norm can jump.

On the sphere at a slowly rising effective learning rate (``fixed_norm`` with the ``rising``
schedule) a run measures what the reduced model needs: the gradient g and the sharpness S as
functions of ``tau``, the sum of effective learning rates so far, which is the time of gradient
flow. A run with weight decay has its own elr, which the exact norm law gives from g,

    ln elr' = ln elr + r - ln(1 + phi^2 g(tau)^2),    tau' = tau + elr,

and destabilises where ``elr S(tau)`` reaches 2, the edge of stability of descent. Noise of batches
destabilises earlier: then the sphere run shows it, at an elr of its own, where the norm *would*
jump by the same law; this elr is the threshold for the runs with decay. Beyond the sphere run g
and S are continued as powers of tau.

Source: docs/theory.md, hypothesis 5; Cohen et al. 2021 (arXiv 2103.00065) for the edge.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.measure.edge_of_stability import EDGE
from theory.arrays import FloatArray
from theory.laws import decay_rate
from theory.trajectory import recorded
from theory.trajectory.jumps import find_jumps

TAIL = 10.0  # factor in tau, at the end of a sphere run, to which the powers are fitted
MIN_POINTS = 5
LONGEST_CLIMB = 25.0  # of ln(elr): beyond it no first jump is predicted


@dataclass(frozen=True)
class PowerTail:
    """A positive law of tau: interpolated in logarithms, continued as a power.

    Attributes:
        log_tau: rising, (n,).
        log_value: (n,).
        exponent: of the continuation.
    """

    log_tau: FloatArray
    log_value: FloatArray
    exponent: float

    def __call__(self, log_tau: float) -> float:
        """Value at ``ln(tau)``; the first one before the table begins."""
        beyond = max(log_tau - float(self.log_tau[-1]), 0.0)
        inside = float(np.interp(log_tau, self.log_tau, self.log_value))
        return math.exp(inside + self.exponent * beyond)


@dataclass(frozen=True)
class SphereLaws:
    """What one sphere run says.

    Attributes:
        gradient: g of tau.
        sharpness: S of tau.
        threshold: elr at which the run destabilised; infinite where it did not.
    """

    gradient: PowerTail
    sharpness: PowerTail
    threshold: float


def predict(networks: xr.Dataset, spheres: Mapping[str, Sequence[str]]) -> xr.Dataset:
    """Predict the first jumps of runs from sphere runs of the same recipe.

    Args:
        networks: trajectories, those of sphere runs with ``spherical_sharpness``.
        spheres: ids of the sphere runs that speak for a run, by its id.

    Returns:
        ``sphere_first_jump`` along ``run``, the geometric mean of what each of its sphere runs
        says, NaN for others; and ``reason_sphere_first_jump``. Empty if there are none.
    """
    if not spheres:
        return xr.Dataset()
    laws = {one: _laws(networks, one) for ids in spheres.values() for one in ids}
    steps, reasons = [], []
    for run in map(str, networks["run"].values):
        known = [law for one in spheres.get(run, ()) if (law := laws[one]) is not None]
        found = [first_jump(law, *_start(networks, run)) for law in known]
        reasons.append(_reason(run in spheres, found))
        steps.append(math.nan if reasons[-1] else math.exp(np.log(found).mean()))
    return xr.Dataset(
        {
            "sphere_first_jump": ("run", steps),
            "reason_sphere_first_jump": ("run", reasons),
        },
        {"run": networks["run"].values},
    )


def first_jump(laws: SphereLaws, log_elr: float, intrinsic_lr: float) -> float:
    """Steps until a run destabilises; 0 if it starts unstable, infinite if it takes too long.

    Args:
        laws: from the sphere.
        log_elr: ``ln(elr)`` at the start.
        intrinsic_lr: eta lam, in (0, 1).
    """
    rate, u, tau = decay_rate(intrinsic_lr), log_elr, 0.0
    for step in range(math.ceil(LONGEST_CLIMB / rate)):
        elr = math.exp(u)
        log_tau = math.log(tau) if tau > 0 else -math.inf
        settled = log_tau > laws.sharpness.log_tau[0]
        if elr >= laws.threshold or (settled and elr * laws.sharpness(log_tau) >= EDGE):
            return float(step)
        angle = elr * math.exp(rate / 2) * laws.gradient(log_tau)
        u += rate - math.log1p(angle**2)
        tau += elr
    return math.inf


def _start(networks: xr.Dataset, run: str) -> tuple[float, float]:
    one = networks.sel(run=run)
    return math.log(float(one["effective_lr"].isel(step=0))), float(one["intrinsic_lr"])


def _reason(asked: bool, steps: list[float]) -> str:
    """Why there is no prediction; "" where there is one."""
    if not asked:
        return "no sphere run speaks for it"
    if not steps:
        return f"fewer than {MIN_POINTS} sharpnesses before the sphere run destabilised"
    if not all(steps):
        return "it starts at an effective learning rate at which the sphere run was not stable"
    return "" if math.isfinite(max(steps)) else "stable as far as the laws can be continued"


def _laws(networks: xr.Dataset, run: str) -> SphereLaws | None:
    """Laws of a sphere run, up to where it destabilises; None where too little was measured."""
    elr = recorded(networks, run, "effective_lr")
    g = recorded(networks, run, "effective_grad_norm")
    log_tau = np.log(np.cumsum(elr) - elr[0] + 1e-300)
    growth = np.log1p((elr * g) ** 2)
    onsets = find_jumps(np.log(elr) - (np.cumsum(growth) - growth)).onsets
    end = int(onsets[0]) if len(onsets) else len(elr)
    steps = networks["eval_step"].values
    sharpness = networks["spherical_sharpness"].sel(run=run).values
    known = (steps > 0) & (steps < end) & (sharpness > 0)
    if known.sum() < MIN_POINTS:
        return None
    return SphereLaws(
        gradient=_tail(log_tau[1:end], np.log(np.maximum(g[1:end], 1e-300))),
        sharpness=_tail(log_tau[steps[known]], np.log(sharpness[known])),
        threshold=float(elr[end]) if len(onsets) else math.inf,
    )


def _tail(log_tau: FloatArray, log_value: FloatArray) -> PowerTail:
    late = log_tau > log_tau[-1] - math.log(TAIL)
    exponent = float(np.polyfit(log_tau[late], log_value[late], 1)[0]) if late.sum() > 1 else 0.0
    return PowerTail(log_tau, log_value, exponent)
