"""The oscillator against the logistic toy; its laws are measured on the sphere, without a jump."""

import numpy as np

from compare.measure.power_law import period_exponent
from compare.study.design import ToyStudy
from compare.toy_claims import regime_map
from compare.toy_claims.claim import Claim, Finding, finding, worst
from theory.arrays import FloatArray
from theory.cycle_models import oscillator, unstable_direction
from theory.simulation.grid import Grid, simulate
from theory.toy_losses import losses
from theory.trajectory.regimes import REGIMES

# Three points on an axis: one unstable direction, no floor but that of exponents.
POINTS, SCALE = [[1.0, 0.0], [0.5, 0.0], [0.25, 0.0]], 5.0
MINIMUM = np.array([1.0, 0.0])
Series = dict[str, tuple[str, FloatArray, str]]
LR_AXIS = "intrinsic learning rate"
MAP_STEPS = 6000
SEEDS = tuple(range(16))  # elr after a jump scatters by half


def closure(study: ToyStudy) -> Finding:
    """Period and elr on both sides of the jumps over two decades, simulated and predicted."""
    loss = losses.logistic(POINTS, SCALE)
    laws = unstable_direction.cut(loss, MINIMUM)
    rates = np.geomspace(1e-4, 1e-2, study.scaled(7))
    names = ("period", "effective_lr_before_jump", "effective_lr_after_jump")
    found, predicted = np.empty((2, 3, len(rates)))
    for i, rate in enumerate(rates.tolist()):
        grid = Grid((1.0,), (rate,), SEEDS, n_steps=int(4 * study.cycles / rate))
        log_elr = np.log(simulate(loss, grid)["effective_lr"].values.T)
        cycles = oscillator.mean_cycle(log_elr), oscillator.predict(laws, rate)
        for row, name in enumerate(names):
            found[row, i], predicted[row, i] = (getattr(cycle, name) for cycle in cycles)
    slope, due_slope = (period_exponent(rates, row[0]).value for row in (found, predicted))
    titles = ("period", "elr before a jump", "elr after a jump")
    claims = [
        worst(f"oscillator, laws of the sphere: {title}", measured, due, 0.1)
        for title, measured, due in zip(titles, found, predicted, strict=True)
    ]
    claims.append(Claim("oscillator: exponent of T against ηλ", slope, due_slope, 0.05))
    series: Series = {"intrinsic_lr": ("lr", rates, LR_AXIS)}
    keys = ("period", "before", "after")
    for key, title, measured, due in zip(keys, titles, found, predicted, strict=True):
        series[key] = ("lr", measured, title)
        series[f"predicted_{key}"] = ("lr", due, title)
    return finding("closure", claims, series)


def regimes(study: ToyStudy) -> Finding:
    """Regimes over learning rate and decay, simulated and from the oscillator."""
    loss = losses.logistic(POINTS, SCALE)
    found = regime_map.regime_map(
        loss,
        unstable_direction.cut(loss, MINIMUM),
        learning_rates=np.geomspace(1e-2, 1e2, study.scaled(17)),
        weight_decays=1.5 * np.geomspace(1e-5, 10**-0.5, study.scaled(19)),
        n_steps=MAP_STEPS,
    )
    number = np.vectorize(
        lambda name: REGIMES.index(name) if name in REGIMES else np.nan, otypes=[float]
    )
    text = f"regime: {', '.join(REGIMES)}"
    series: Series = {
        "lr": ("lr", found.learning_rates, "learning rate"),
        "wd": ("wd", found.weight_decays, "weight decay"),
        "simulated": ("lr wd", number(found.simulation), text),
        "predicted": ("lr wd", number(found.theory), text),
    }
    claim = Claim("oscillator: regimes agree, share of settings", found.agreement, 1.0, 0.05)
    return finding("regimes", [claim], series)
