"""The epoch: the loss repeats itself from one pass over the data to the next."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.ndimage import uniform_filter1d

from compare.diagnose.finding import Finding
from compare.diagnose.log.signals import Signals
from compare.diagnose.period import MULTIPLES, find_period, longest_scanned
from compare.diagnose.spikes import Spikes
from theory.arrays import FloatArray

NAME = "epoch"
MIN_EPOCHS = 5
MIN_PHASES = 3
PHASES = 12  # at most
CHANCE = 1e-6  # below it the epoch is seen in the loss
NOT_EXCLUDED = 0.2  # above it there is no sign of it
ENOUGH_TO_EXCLUDE = 250  # records, in which a twentieth of the variance leaves a sign
ENOUGH_TO_SCAN = 1500  # records in which EXPLAINED is seen at CHANCE
EXPLAINED = 0.02  # least share of the variance about the running mean that the phase explains
AS_MUCH = 0.8  # of what a period explains, from which on a part of it is the period
MOST_GAPS = 2.0  # steps of a log over those that its records would cover evenly
LOCKED = 0.8  # least length of the mean of exp(2 pi i phase) over the spikes


@dataclass(frozen=True, eq=False)
class Folded:
    """The loss as a function of the phase in a period.

    Attributes:
        profile: mean of ``ln(loss)`` about its running mean, by phase.
        explained: share of the variance that the phase explains, less what noise would.
        chance: that noise explains as much, with any shape or with a ramp.
    """

    profile: FloatArray
    explained: float
    chance: float


def fold(step: FloatArray, log_loss: FloatArray, period: float, phases: int = PHASES) -> Folded:
    """Fold a series by a period in steps, about its running mean over one period."""
    every = float(np.median(np.diff(step)))
    length = max(PHASES, round(period / every))
    about = (log_loss - uniform_filter1d(log_loss, length))[length:-length]
    n_phases = min(phases, n_phases_of(step, period))
    phase = ((step[length:-length] % period) / period * n_phases).astype(int) % n_phases
    counts = np.maximum(np.bincount(phase, minlength=n_phases), 1)
    profile = np.bincount(phase, about, n_phases) / counts
    total = ((about - about.mean()) ** 2).sum()
    rest = ((about - profile[phase]) ** 2).sum()
    free = len(about) - n_phases
    if total <= 0 or free < 1:
        return Folded(profile, 0.0, 1.0)
    ratio = ((total - rest) / (n_phases - 1)) / (rest / free) if rest > 0 else np.inf
    explained = 1 - (rest / free) / (total / (len(about) - 1))
    rising = phase - phase.mean()
    ramp = (rising @ about) ** 2 / max(float(rising @ rising), 1.0) / total
    of_ramp = stats.f.sf(free * ramp / max(1 - ramp, 1e-12), 1, free)
    chance = 2 * min(float(stats.f.sf(ratio, n_phases - 1, free)), float(of_ramp))
    return Folded(profile, float(explained), min(1.0, chance))


def _of_no_sign(signals: Signals, found: Folded, said: str) -> Finding:
    """Whether the log is long enough to say that nothing repeats itself."""
    spread = 2 * np.sqrt(max(found.explained, 0) / signals.n_records)
    if found.chance < NOT_EXCLUDED and found.explained + 2 * spread > EXPLAINED:
        return Finding(NAME, "possible", said, "a longer log")
    if signals.n_records < ENOUGH_TO_EXCLUDE:
        return Finding(NAME, "unknown", said, "a longer log")
    return Finding(NAME, "against", said)


def n_phases_of(step: FloatArray, period: float) -> int:
    """How many phases of a period were logged; if they do not divide it, more than a period has."""
    return max(2, len(np.unique(np.round(step[: 10 * PHASES] % period))))


def look(signals: Signals, spikes: Spikes) -> Finding:
    """Ask whether the loss, and its spikes if it has any, keep to a phase of the epoch.

    Source: Liu and Ma 2024 (arXiv 2410.10056): the loss falls at the start of an epoch and rises
    within it, because samples come again soon after they were learnt.
    """
    epoch = signals.steps_per_epoch
    if epoch is None:
        return _without_epoch(signals)
    if epoch <= 1:
        return Finding(NAME, "against", "each step is an epoch")
    if n_phases_of(signals.step, epoch) < MIN_PHASES:
        said = f"of an epoch of {epoch:g} steps fewer than {MIN_PHASES} phases were logged"
        return Finding(NAME, "unknown", said, signals.lacking("every"))
    n_epochs = (signals.step[-1] - signals.step[0]) / epoch
    if n_epochs < MIN_EPOCHS:
        return Finding(NAME, "unknown", f"the log covers {n_epochs:.1f} epochs", "a longer log")
    return _of_epoch(signals, spikes, epoch)


def _of_epoch(signals: Signals, spikes: Spikes, epoch: float) -> Finding:
    found = fold(signals.step, signals.log_loss, epoch)
    swing = 100 * np.expm1(np.ptp(found.profile))
    said = (
        f"folded by the epoch of {epoch:g} steps the loss swings by {swing:.2g} %, which explains "
        f"{100 * max(found.explained, 0):.2g} % of its variance (chance {found.chance:.1g})"
    )
    if spikes.recur:
        locked = phase_lock(signals.step[spikes.peaks], epoch)
        said = f"{said}; of {len(spikes)} spikes the phase agrees to {locked:.2f} of 1"
        if locked < LOCKED:
            return Finding(NAME, "against", said)
    if found.chance > CHANCE:
        return _of_no_sign(signals, found, said)
    drift = drift_of(signals.log_loss, max(2, round(epoch / signals.every)))
    if drift > np.ptp(found.profile):
        said = f"{said}; but from epoch to epoch it wanders by {100 * np.expm1(drift):.2g} %"
        return Finding(NAME, "possible", said, "what makes it wander")
    if found.explained < EXPLAINED or not _is_sharpest(signals, epoch, found):
        return Finding(NAME, "possible", said, "a longer log")
    return Finding(NAME, "shown", said)


def drift_of(log_loss: FloatArray, length: int) -> float:
    """How far means over an epoch wander about a smooth trend: the range of nine in ten."""
    means = uniform_filter1d(log_loss, length)[length:-length:length]
    trend = uniform_filter1d(means, MIN_EPOCHS)
    return float(np.ptp(np.quantile(means - trend, [0.05, 0.95])))


def phase_lock(steps: FloatArray, period: float) -> float:
    """Length of the mean of exp(2 pi i phase): 1 at one phase, about 1/sqrt(n) at random ones."""
    return float(abs(np.exp(2j * np.pi * steps / period).mean()))


def _is_sharpest(signals: Signals, epoch: float, found: Folded) -> bool:
    """Whether periods that part from the epoch by half a turn over the log explain less."""
    n_epochs = (signals.step[-1] - signals.step[0]) / epoch
    others = [epoch * (1 + sign / n_epochs) for sign in (-2, -1, 1, 2)]
    return all(
        fold(signals.step, signals.log_loss, other).explained < found.explained for other in others
    )


def _without_epoch(signals: Signals) -> Finding:
    """Look for any exact period; which one is an epoch only the user knows."""
    if signals.step[-1] - signals.step[0] > MOST_GAPS * signals.every * signals.n_records:
        said = "records that are so uneven show no period"
        return Finding(NAME, "unknown", said, "steps_per_epoch")
    even = np.arange(signals.step[0], signals.step[-1] + signals.every / 2, signals.every)
    period = find_period(np.interp(even, signals.step, signals.log_loss))
    if period is not None:
        told = _fundamental(signals, period * signals.every)
        said = f"the loss repeats itself every {told:.4g} steps or so"
        return Finding(NAME, "possible", said, "steps_per_epoch")
    said = "the loss repeats itself with no exact period"
    if signals.n_records < ENOUGH_TO_SCAN:
        return Finding(NAME, "unknown", f"{said} that so short a log shows", "steps_per_epoch")
    longest = longest_scanned(len(even))
    if len(even) // MIN_EPOCHS > longest:
        said = f"{said} of up to {longest * signals.every:g} steps"
        return Finding(NAME, "unknown", said, "steps_per_epoch")
    return Finding(NAME, "against", said)


def _fundamental(signals: Signals, period: float) -> float:
    """The shortest fraction of a period in steps, whole records or not, that explains as much.

    Phases are as wide in both: short spikes are told the better the narrower they are.
    """
    for n in reversed(MULTIPLES):
        part = period / n
        if part < MIN_PHASES * signals.every:
            continue
        whole, of_part = (
            fold(signals.step, signals.log_loss, *one).explained
            for one in ((period, n * PHASES), (part, PHASES))
        )
        if of_part > AS_MUCH * whole:
            return part
    return period
