"""Hovering at the edge of stability: the curvature along the gradient stays near 2/eta."""

import numpy as np

from compare.diagnose.adaptive import is_adaptive
from compare.diagnose.finding import Finding
from compare.diagnose.log.signals import Signals
from theory.arrays import BoolArray, FloatArray

NAME = "edge of stability"
HOVERS = 0.1  # |1 - eta S/2| of nine records in ten, with S the curvature along the gradient
ENOUGH = 100  # records, of which the second half is measured
RISES = 0.1  # share of the records at which the loss rises, from which on it is not descent
EVER = 0.01  # the same over the whole log, from which on it was not descent throughout
SMOOTH = 0.1  # of the variance of ln(g); a gradient of small batches has about 1


def look(signals: Signals) -> Finding:
    """Measure the curvature along the gradient from what a step does to the loss.

    To second order a step of gradient descent changes the loss by ``-eta g^2 (1 - eta S/2)``. In
    a stable direction it falls by nearly ``eta g^2``; at the edge ``eta S`` hovers about 2, so
    that the loss rises as often as it falls, and by much less. Only without noise of batches does
    the change of the loss tell.

    Source: Cohen et al. 2021 (arXiv 2103.00065); Damian et al. 2023 (arXiv 2209.15594).
    """
    if is_adaptive(signals):
        return Finding(NAME, "against", "the optimizer is adaptive")
    if signals.n_records < ENOUGH:
        return Finding(NAME, "unknown", f"{signals.n_records} records", "a longer log")
    late = slice(signals.n_records // 2, None)
    change = np.diff(signals.loss[late])
    rises = float((change > 0).mean())
    if rises < RISES:
        return _of_descent(signals, rises)
    if signals.grad_norm is None or signals.learning_rate is None:
        return _by_descent(signals, rises)
    rate, grad = signals.learning_rate[late], signals.grad_norm[late]
    return _of_curvature(signals, rises, rate, grad, change)


def _of_descent(signals: Signals, rises: float) -> Finding:
    """Where the loss hardly rises late, it may have done so before; batches make it rise always."""
    ever = float((np.diff(signals.loss) > 0).mean())
    said = (
        f"the loss rises at {100 * rises:.0f} % of the late records, at {100 * ever:.1f} % of all"
    )
    if ever > EVER and signals.full_batch is not False:
        return Finding(NAME, "possible", said, "a log of the part in which the loss rises")
    return Finding(NAME, "against", said)


def _of_curvature(
    signals: Signals, rises: float, rate: FloatArray, grad: FloatArray, change: FloatArray
) -> Finding:
    """Answer by the curvature along the gradient and the noise of it."""
    took = np.diff(signals.step[signals.n_records // 2 :])
    descent = rate[:-1] * took * (grad[:-1] ** 2 + grad[1:] ** 2) / 2
    known: BoolArray = descent > np.finfo(float).tiny
    with np.errstate(over="ignore"):
        away = -change[known] / descent[known]
    low, high = 2 * (1 - np.quantile(away, [0.95, 0.05])) if known.any() else (np.nan, np.nan)
    noise = roughness(grad)
    said = (
        f"the loss rises at {100 * rises:.0f} % of the records; the curvature along the gradient "
        f"is {low:.3g}/lr to {high:.3g}/lr (the edge is at 2/lr), and {100 * noise:.2g} % of the "
        "variance of the gradient norm is noise"
    )
    hovers = low > 2 * (1 - HOVERS) and high < 2 * (1 + HOVERS)
    if not hovers:
        if signals.full_batch and signals.adaptive is False:
            return _by_descent(signals, rises)
        return Finding(NAME, "against", said)
    if noise > SMOOTH and signals.full_batch is False:
        return Finding(NAME, "against", said)
    if noise > SMOOTH and signals.full_batch is None:
        return Finding(NAME, "possible", said, signals.lacking("steps_per_epoch"))
    return Finding(NAME, "shown", said)


def roughness(values: FloatArray) -> float:
    """Share of the variance of ``ln(values)`` that is noise from record to record.

    Records two apart are compared, because an oscillation of period two is no noise.
    """
    log = np.log(np.maximum(values, np.finfo(float).tiny))
    step = log[2:] - log[:-2]
    bend = step[2:] - step[:-2]  # of a smooth curve nearly 0, of noise of variance s^2 6 s^2
    about = log - np.polyval(np.polyfit(np.arange(len(log)), log, 1), np.arange(len(log)))
    return float(bend.var() / 6 / about.var()) if about.var() > 0 else 0.0


def _by_descent(signals: Signals, rises: float) -> Finding:
    """Without gradients: descent on all data can only rise beyond the edge."""
    said = f"the loss rises at {100 * rises:.0f} % of the records"
    if signals.full_batch and signals.adaptive is False:
        said = f"{said}, though every step of {signals.optimizer} sees all data"
        if signals.momentum is None:
            return Finding(NAME, "possible", said, signals.lacking("momentum"))
        if signals.momentum > 0:
            return Finding(NAME, "possible", f"{said}, as it may with momentum")
        return Finding(NAME, "shown", f"{said}: below a curvature of 2/lr it would only fall")
    if signals.full_batch is False:
        return Finding(NAME, "against", f"{said}, as it does from batch to batch")
    smooth = roughness(signals.loss[signals.n_records // 2 :]) < SMOOTH
    if not smooth:
        return Finding(NAME, "against", f"{said}, with the noise of batches")
    lacks = signals.lacking("learning_rate", "grad_norm")
    return Finding(NAME, "possible", f"{said}, smoothly", lacks)
