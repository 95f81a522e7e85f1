"""Two mechanisms of Adam: a second moment that lags behind the gradient, and the slingshot."""

import numpy as np
from scipy.signal import lfilter

from compare.diagnose.finding import Finding
from compare.diagnose.log.signals import Signals
from compare.diagnose.spikes import Spikes
from theory.arrays import FloatArray

LAGGING, SLINGSHOT = "lagging second moment", "slingshot"
DEFAULT_BETA2 = 0.999
# Of g^2/v at the onset of a spike: below, v falls at nearly its own rate 1 - beta2; above a
# half, v follows the gradient.
LAGS, FOLLOWS = 0.1, 0.5
FARTHER = 10.0  # a norm that moves by this many times eta g is not moved by gradient descent
OFTEN = 0.1  # share of the records at which it does
STAIR = 0.02  # of ln(norm), at a spike; rounding and drift cancel in the difference
OF_THE_SPIKES = 0.5


def is_adaptive(signals: Signals) -> bool | None:
    """Whether steps are those of an adaptive optimizer, by its name or by how far they go.

    A step of gradient descent moves the norm by at most ``eta g + eta lam rho``.
    """
    if signals.adaptive is not None:
        return signals.adaptive
    rate, norm, grad = signals.learning_rate, signals.weight_norm, signals.grad_norm
    if rate is None or norm is None or grad is None:
        return None
    decay = np.zeros_like(norm) if signals.weight_decay is None else signals.weight_decay
    most = (rate * (grad + decay * norm))[:-1] * np.diff(signals.step)
    farther = np.abs(np.diff(norm)) > FARTHER * most
    return True if farther.mean() > OFTEN else None


def second_moment(grad_norm: FloatArray, beta2: float, every: float) -> FloatArray:
    """Adam's running mean of ``g^2``, corrected for its start."""
    keep = beta2**every
    mean = lfilter([1 - keep], [1, -keep], grad_norm**2)
    return np.asarray(mean / (1 - keep ** np.arange(1, len(grad_norm) + 1)))


def look_for_lag(signals: Signals, spikes: Spikes) -> Finding:
    """Compare ``g^2`` with its running mean when spikes begin.

    While ``g^2 << v`` the second moment falls by ``1 - beta2`` a step whatever the gradient does,
    and the preconditioned curvature rises until it exceeds the threshold of stability.

    Source: Bai et al. 2025 (arXiv 2506.04805).
    """
    excluded = _excluded(signals, spikes, LAGGING)
    if excluded:
        return excluded
    if signals.grad_norm is None:
        return Finding(LAGGING, "unknown", "the gradient norm was not logged", "grad_norm")
    beta2 = signals.beta2 or DEFAULT_BETA2
    memory = round(1 / (1 - beta2) / signals.every)
    moment = second_moment(signals.grad_norm, beta2, signals.every)
    share = signals.grad_norm**2 / np.maximum(moment, np.finfo(float).tiny)
    ratio = float(np.median(before_onsets(share, spikes, memory)))
    taken = "" if signals.beta2 else " (taken to be so)"
    said = (
        f"when spikes begin, the squared gradient is {ratio:.2g} of its running mean with beta2 = "
        f"{beta2:g}{taken}, which then falls by {(1 - beta2) * (1 - min(ratio, 1)):.2g} a step"
    )
    if ratio > FOLLOWS:
        return Finding(LAGGING, "against", said)
    if is_adaptive(signals) is None:
        return Finding(LAGGING, "unknown", said, signals.lacking("optimizer"))
    if signals.every == 1 and spikes.abrupt.mean() > OF_THE_SPIKES:
        said = f"{said}; but they rise in one step"
        return Finding(LAGGING, "possible" if signals.full_batch else "against", said)
    if signals.every > 1 and spikes.single.mean() > OF_THE_SPIKES:
        said = f"{said}; but they last a single record"
        return Finding(LAGGING, "possible", said, signals.lacking("every"))
    return Finding(LAGGING, "shown" if ratio < LAGS else "possible", said)


def before_onsets(values: FloatArray, spikes: Spikes, memory: int) -> FloatArray:
    """Median of a series before the onset of each spike, over the memory or half the wait.

    Returns:
        One entry a spike, (n_spikes,).
    """
    waits = np.diff(spikes.onsets, prepend=0) // 2
    lengths = np.clip(waits, 1, max(1, memory))
    pairs = zip(spikes.onsets, lengths, strict=True)
    return np.array([np.median(values[max(0, at - n) : at + 1]) for at, n in pairs])


def look_for_slingshot(signals: Signals, spikes: Spikes) -> Finding:
    """Ask whether the norm of the last layer, or else of all weights, climbs a stair at spikes.

    Source: Thilak et al. 2022 (arXiv 2206.04817).
    """
    excluded = _excluded(signals, spikes, SLINGSHOT)
    if excluded:
        return excluded
    norms = {"last layer": signals.last_layer_norm, "weights": signals.weight_norm}
    known = {name: n for name, n in norms.items() if n is not None and (n > 0).all()}
    if not known:
        lacks = signals.lacking("last_layer_norm")
        return Finding(SLINGSHOT, "unknown", "no norm above 0 was logged", lacks)
    growth = {name: stairs(norm, spikes) for name, norm in known.items()}
    share = max(float((one > STAIR).mean()) for one in growth.values())
    told = " and ".join(
        f"that of the {name} by {100 * g.mean():.1f} %" for name, g in growth.items()
    )
    said = (
        f"before a spike the norm grows by more than around it, {told} in the mean, and by over "
        f"{100 * STAIR:.0f} % at {100 * share:.0f} % of the spikes"
    )
    climbs = [
        (one > STAIR).mean() >= OF_THE_SPIKES and one.mean() > STAIR for one in growth.values()
    ]
    if not any(climbs):
        return Finding(SLINGSHOT, "against", said)
    if is_adaptive(signals) is None:
        return Finding(SLINGSHOT, "unknown", said, signals.lacking("optimizer"))
    return Finding(SLINGSHOT, "shown", said)


def stairs(norm: FloatArray, spikes: Spikes) -> FloatArray:
    """Growth of ``ln(norm)`` just before each spike, beyond that just after and long before.

    The three stretches are a quarter of the wait for the spike. Steady growth, and growth that
    slows down, give nothing.

    Returns:
        One entry a spike, (n_spikes,).
    """
    log, at = np.log(norm), spikes.peaks
    width = np.maximum(1, np.diff(at, prepend=0) // 4)
    first, second = np.maximum(0, at - 2 * width), np.maximum(0, at - width)
    after = np.minimum(len(norm) - 1, at + width)
    others = np.maximum(log[second] - log[first], log[after] - log[at])
    return np.asarray(log[at] - log[second] - others)


def _excluded(signals: Signals, spikes: Spikes, name: str) -> Finding | None:
    """What excludes both mechanisms."""
    if is_adaptive(signals) is False:
        return Finding(name, "against", f"the optimizer is {signals.optimizer}")
    if not spikes.recur:
        return Finding(name, "against", f"the loss spikes {len(spikes)} times")
    return None
