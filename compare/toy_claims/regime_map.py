r"""Map of regimes over learning rate and weight decay: simulated toy against the oscillator.

Both are measured by ``compare.measure.observables``, so a regime means the same for both:

    convergence   decay alone moves the norm: no jump within the run
    periodic      jumps, with a sawtooth between them
    equilibrium   growth and decay of the norm share the time
    divergence    the weights overflow

With ``|1 - eta lam| <= 1`` nothing diverges: a scale-invariant loss pushes the norm up until the
effective learning rate is small enough. Divergence is ``eta lam > 2``, where decay overshoots the
origin by more than it came from. Between 1 and 2 every step of decay turns the weights around,
and the oscillator says nothing.

The noise of the oscillator is a floor under the displacement, without fluctuations of its own.
On the logistic toy of three points, for eta from 0.01 to 100 and 6000 steps, its map agrees with
the simulated one in every cell without noise, in 92 % of them at sigma = 0.03 and in 71 % at 0.3,
where fluctuations alone move the norm.

The period exponent is the slope of ``log T`` on ``log(eta lam)``: near -1 where the displacement
from the minimum has no floor, near -1/2 where noise or rounding puts one under it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from theory import laws, validate
from theory.arrays import FloatArray
from theory.cycle_models import oscillator
from theory.cycle_models.unstable_direction import UnstableLaws
from theory.simulation import grid as simulate
from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses.losses import ToyLoss
from theory.trajectory.jumps import find_jumps
from theory.trajectory.regimes import classify

UNKNOWN = "unknown"


@dataclass(frozen=True)
class RegimeMap:
    """Regimes on a grid.

    Attributes:
        learning_rates: eta, rising, (n,).
        weight_decays: lam, rising, (m,).
        simulation: regime of the simulated toy, (n, m).
        theory: regime of the oscillator, (n, m); ``unknown`` for ``1 <= eta lam <= 2``.
    """

    learning_rates: FloatArray
    weight_decays: FloatArray
    simulation: npt.NDArray[np.str_]
    theory: npt.NDArray[np.str_]

    @property
    def agreement(self) -> float:
        """Share of the cells that theory speaks of and gets right."""
        known = self.theory != UNKNOWN
        return float((self.simulation == self.theory)[known].mean())


def regime_map(
    loss: ToyLoss,
    unstable: UnstableLaws,
    *,
    learning_rates: FloatArray,
    weight_decays: FloatArray,
    n_steps: int,
    noise: float = 0.0,
    seed: int = 0,
) -> RegimeMap:
    """Simulate and predict the regime of every setting, from initial weights of norm 1.

    Args:
        loss: the toy loss.
        unstable: its laws along the unstable direction, measured on the sphere.
        learning_rates: eta, rising.
        weight_decays: lam, above 0 and rising.
        n_steps: steps of each run.
        noise: sigma of the gradient noise in both.
        seed: of the initial direction and the noise.

    Raises:
        ValueError: if a value is out of range.
    """
    etas, lams = (np.asarray(a, dtype=float) for a in (learning_rates, weight_decays))
    for value in (*etas, *lams):
        validate.positive("learning rate or weight decay", float(value))
    validate.at_least("n_steps", n_steps, 3)
    eta, lam = (grid.ravel() for grid in np.meshgrid(etas, lams, indexing="ij"))
    shape = len(etas), len(lams)
    simulated = _simulated(loss, eta, lam, n_steps, noise, seed)
    predicted = [_predicted(unstable, e, w, n_steps, noise) for e, w in zip(eta, lam, strict=True)]
    return RegimeMap(
        etas, lams, np.array(simulated).reshape(shape), np.array(predicted).reshape(shape)
    )


def _simulated(
    loss: ToyLoss, eta: FloatArray, lam: FloatArray, n_steps: int, noise: float, seed: int
) -> list[str]:
    seeds = np.full(len(eta), seed)
    with np.errstate(all="ignore"):
        records = toy_ensemble.run(
            loss,
            simulate.initial_weights(loss, seeds, 1.0),
            learning_rate=eta,
            weight_decay=lam,
            n_steps=n_steps,
            dynamics=Dynamics(noise=noise),
            seeds=seeds,
        )
    regimes = []
    for run in range(len(eta)):
        norm = records.weight_norm[:, run]
        finite = np.isfinite(norm).all() and norm.min() > 0
        regimes.append(_regime(norm, eta[run], lam[run]) if finite else "divergence")
    return regimes


def _predicted(unstable: UnstableLaws, eta: float, lam: float, n_steps: int, noise: float) -> str:
    if eta * lam >= 1:
        return "divergence" if eta * lam > 2 else UNKNOWN
    path = oscillator.run(unstable, eta * lam, n_steps=n_steps, effective_lr=eta, noise=noise)
    return _regime(math.sqrt(eta) * np.exp(-path.log_elr / 2), eta, lam)


def _regime(norm: FloatArray, eta: float, lam: float) -> str:
    log_elr = np.log(laws.effective_lr(norm, eta))
    jumps = find_jumps(log_elr)
    with np.errstate(all="ignore"):  # the decay rate is not defined where eta lam >= 1
        return classify(log_elr, jumps, eta * lam, finite=True)
