"""The regimes of training, and which one a trajectory is in."""

import numpy as np

from theory.arrays import FloatArray
from theory.trajectory.jumps import Jumps

REGIMES = ("convergence", "periodic", "equilibrium", "divergence")
NO_JUMPS = "no jumps"  # may be expected of a run in place of a regime
PERIODIC_SHARE = 0.25  # largest share of the time during which the norm of a sawtooth grows
# Means of the loss at fixed norm are equal if they differ by less than a fifth.
SETTLED = 0.8


def growing_share(jumps: Jumps) -> float:
    """Share of the time, from the first rise to the last landing, during which the norm grows.

    Small for a sawtooth; about one half for noise about an equilibrium, which looks the same
    backwards in time. Noise with rare, large kicks does not, and counts as a sawtooth.
    """
    landings = jumps.landings if len(jumps.landings) else np.array([jumps.end])
    growing = (landings - jumps.onsets[: len(landings)]).sum()
    return float(growing / (landings[-1] - jumps.start))


def classify(log_elr: FloatArray, jumps: Jumps, rise_by_decay: FloatArray, *, finite: bool) -> str:
    """Name the regime of a run.

    ``divergence`` when it stopped being finite; ``periodic`` when the norm jumps and each growth
    takes less than a quarter of the time, half-way between a sawtooth and reversible noise;
    ``equilibrium`` when growth and decay share the time or, without jumps, cancel over the second
    half to less than half of what decay takes; else ``convergence``, where decay alone moves the
    norm or it still grows.

    Args:
        log_elr: ``ln(eta / rho^2)`` of each record at a constant eta, (n_records,).
        jumps: of the norm.
        rise_by_decay: by which decay alone would have raised it until each record, (n_records,).
        finite: whether the run is.
    """
    if not finite:
        return "divergence"
    if len(jumps.onsets):
        sawtooth = growing_share(jumps) < PERIODIC_SHARE
        return "periodic" if sawtooth else "equilibrium"
    half = len(log_elr) // 2
    decayed = rise_by_decay[-1] - rise_by_decay[half]
    balanced = abs(log_elr[-1] - log_elr[half]) < decayed / 2
    return "equilibrium" if balanced else "convergence"


def classify_on_sphere(train_loss: FloatArray, *, finite: bool) -> str:
    """Name the regime of a run at fixed norm, hence fixed effective learning rate.

    ``divergence`` where the loss of the last quarter is, in the mean, no lower than four fifths
    of the loss at the start; ``convergence`` where it is at most four fifths of that of the
    second quarter, so that training still goes on; else ``equilibrium``, where it has settled.

    Source: the three regimes of Kodryan et al. 2022 (arXiv 2209.03695); the borders are ours.
    """
    quarter = len(train_loss) // 4
    start = train_loss[: max(1, quarter // 25)].mean()
    early, late = train_loss[quarter : 2 * quarter].mean(), train_loss[-quarter:].mean()
    if not finite or late >= SETTLED * start:
        return "divergence"
    return "convergence" if late <= SETTLED * early else "equilibrium"
