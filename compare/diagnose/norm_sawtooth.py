"""This project's sawtooth: decay shrinks the norm at eta lam a step, a spike makes it grow."""

from dataclasses import dataclass

import numpy as np

from compare.diagnose.finding import Finding
from compare.diagnose.log.signals import Signals
from theory import laws
from theory.arrays import FloatArray
from theory.trajectory.jumps import Jumps, find_jumps
from theory.trajectory.regimes import growing_share

NAME = "sawtooth"
MIN_JUMPS = 3
STEEPEST = 0.1  # share of a rise of elr in which decay is undisturbed, as in `observables`
MIN_RECORDS = 5
COARSE = 10  # records in a period, below which noise hides how fast the norm falls
# Gradients of scale-invariant weights only slow the decay of the norm; 0.99 to 1.02 is published.
SAME_RATE = (0.7, 1.1)
FASTEST = 100.0  # of these rates: momentum of 0.99, or the noise of a log of few steps
GROWING = 0.4  # share of the time; one half for noise about a rest, which looks the same backwards
OF_THE_JUMPS = 0.75  # share of the jumps at which the loss is higher than on the way there


@dataclass(frozen=True)
class Decay:
    """How fast the norm falls between jumps, medians over them; NaN where it is not known."""

    rate: float
    expected: float
    scatter: float


def look(signals: Signals) -> Finding:
    """Hold the norm between its jumps against decay at ``eta lam``.

    Source: Lobacheva et al. 2021 (arXiv 2106.15739), section 4.
    """
    decay, norm = signals.weight_decay, signals.weight_norm
    if decay is not None and not (decay > 0).any():
        return Finding(NAME, "against", "there is no weight decay")
    if norm is None:
        return Finding(NAME, "unknown", "the weight norm was not logged", "weight_norm")
    if not np.isfinite(norm).all() or (norm <= 0).any():
        return Finding(NAME, "unknown", "the weight norm is not positive throughout")
    jumps = find_jumps(-2 * np.log(norm))
    if len(jumps.onsets) < MIN_JUMPS:
        said = f"the norm grows by 5 % after a fall by as much {len(jumps.onsets)} times"
        return Finding(NAME, "against", f"{said}, fewer than {MIN_JUMPS}")
    return _of_jumps(signals, jumps)


def begins(signals: Signals) -> str:
    """Why jumps may be still to come: there are a few, or decay alone moves the norm; or ""."""
    norm, rate, decay = signals.weight_norm, signals.learning_rate, signals.weight_decay
    if norm is None or decay is None or not (decay > 0).any() or (norm <= 0).any():
        return ""
    n_jumps = len(find_jumps(-2 * np.log(norm)).onsets)
    if 0 < n_jumps < MIN_JUMPS:
        return f"the norm has jumped {'once' if n_jumps == 1 else 'twice'}"
    if rate is None:
        return ""
    late = slice(2 * signals.n_records // 3, None)
    spent = _decayed(signals)[late]
    fallen = np.log(norm[late][0] / norm[late][-1])
    expected = spent[-1] - spent[0]
    if not (expected > 0 and SAME_RATE[0] < fallen / expected < SAME_RATE[1]):
        return ""
    return f"the norm still falls at {fallen / expected:.2f} of what decay takes, towards a jump"


def _of_jumps(signals: Signals, jumps: Jumps) -> Finding:
    found, share = _decay(signals, jumps), growing_share(jumps)
    higher, period = _loss_is_higher(signals, jumps), np.diff(signals.step[jumps.onsets]).mean()
    said = (
        f"{len(jumps.onsets)} jumps of the norm, {period:.0f} steps apart; between them it falls "
        f"by {found.rate:.2g} a step"
    )
    if np.isnan(found.rate):
        said = "the norm jumps within few records"
        return Finding(NAME, "possible", said, signals.lacking("every"))
    if np.isnan(found.expected):
        steady = f"{said}, to {100 * found.scatter:.0f} % the same each time"
        lacks = signals.lacking("learning_rate", "weight_decay")
        return Finding(NAME, "possible", steady, lacks)
    if found.expected == 0:
        return Finding(NAME, "against", f"{said}, without decay")
    ratio = found.rate / found.expected
    said = (
        f"{said}, eta*lam is {found.expected:.2g} (ratio {ratio:.2f}), and the period times "
        f"eta*lam is {period * found.expected:.2g}; the loss is higher during "
        f"{100 * higher:.0f} % of the jumps"
    )
    if ratio < SAME_RATE[0] and period < COARSE * signals.every:
        return Finding(NAME, "possible", said, signals.lacking("every"))
    if not SAME_RATE[0] <= ratio <= SAME_RATE[1]:
        near = SAME_RATE[0] / 2 < ratio < FASTEST
        alone = "the norm of the normalised weights alone"
        more = "; ".join(filter(None, (signals.lacking("momentum"), alone)))
        return Finding(NAME, "possible" if near else "against", said, more if near else "")
    if share >= GROWING:
        said = f"{said}, but the norm grows for {100 * share:.0f} % of the time, as noise does"
        return Finding(NAME, "possible", said, "a longer log at slower decay")
    return Finding(NAME, "shown" if higher >= OF_THE_JUMPS else "possible", said)


def _decayed(signals: Signals) -> FloatArray:
    """Fall of ``ln(rho)`` by decay alone until each record; NaN where it is not known."""
    rate, decay = signals.learning_rate, signals.weight_decay
    if rate is None or decay is None:
        return np.full(signals.n_records, np.nan)
    settings, index = np.unique(np.stack([rate, decay]), axis=1, return_inverse=True)
    shrink = np.array(
        [
            laws.long_run_decay(lr, wd, signals.momentum or 0.0) if lr * wd else 0.0
            for lr, wd in settings.T
        ]
    )
    steps = np.diff(signals.step, prepend=signals.step[0])
    return np.asarray(np.cumsum(-np.log1p(-shrink[index]) * steps))


def _decay(signals: Signals, jumps: Jumps) -> Decay:
    """The steepest sustained fall of each rise of elr, and what decay alone would do there."""
    assert signals.weight_norm is not None
    fallen, spent, step = -np.log(signals.weight_norm), _decayed(signals), signals.step
    rates, expected = [], []
    for low, high in zip(jumps.landings, jumps.onsets[1:], strict=False):
        if high - low >= MIN_RECORDS:
            width = max(2, round(STEEPEST * (high - low)))
            gained = fallen[low + width : high + 1] - fallen[low : high + 1 - width]
            at = low + int(gained.argmax())
            took = step[at + width] - step[at]
            rates.append(gained.max() / took)
            expected.append((spent[at + width] - spent[at]) / took)
    if not rates:
        return Decay(np.nan, np.nan, np.nan)
    rate = float(np.median(rates))
    return Decay(rate, float(np.median(expected)), float(np.std(rates)) / rate)


def _loss_is_higher(signals: Signals, jumps: Jumps) -> float:
    """Share of the jumps at which the mean ``ln(loss)`` exceeds that of the way there."""
    ends = jumps.landings if len(jumps.landings) else jumps.onsets[:-1] + 1
    starts = [jumps.start, *jumps.landings]
    higher = [
        signals.log_loss[onset : landing + 1].mean() > signals.log_loss[start:onset].mean()
        for start, onset, landing in zip(starts, jumps.onsets, ends, strict=False)
    ]
    return float(np.mean(higher))
