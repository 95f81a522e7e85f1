"""What is no mechanism of training: restarts of the learning rate, single bad batches, nothing."""

import numpy as np

from compare.diagnose.finding import Finding
from compare.diagnose.signals import Signals
from compare.diagnose.spikes import Spikes

NAME = "none of these"
RAISED = 1.5  # a learning rate that rises by this factor within a few records restarts
WITHIN = 3  # records from a restart to the spike that it makes, or a twentieth of a cycle
ALMOST_ALL = 0.8
LONG_QUIET = 3.0  # longest waits so far, after which a spike does not recur


def look_for_restarts(signals: Signals, spikes: Spikes) -> Finding:
    """Ask whether the spikes follow rises of the learning rate."""
    rate = signals.learning_rate
    if rate is None:
        return Finding(NAME, "unknown", "the learning rate was not logged", "lr")
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = np.flatnonzero(rate[1:] > RAISED * rate[:-1]) + 1
    if len(raised) < 2 or not spikes.recur:
        return Finding(NAME, "against", f"the learning rate is raised {len(raised)} times")
    reach = max(WITHIN, float(np.diff(raised).mean()) / 20)
    since = spikes.onsets[:, None] - raised[None]
    follow = float(((since >= -reach) & (since <= reach)).any(axis=1).mean())
    said = (
        f"{100 * follow:.0f} % of {len(spikes)} spikes begin where the learning rate is raised, "
        f"which happens {len(raised)} times"
    )
    return Finding(NAME, "shown" if follow >= ALMOST_ALL else "against", said)


def look_for_outliers(signals: Signals, spikes: Spikes) -> Finding:
    """Ask whether spikes come from one record to the next, or not again.

    An instability grows by a factor a step; a bad batch is there at once. Where each step sees
    all data there is no bad batch.
    """
    if not len(spikes):
        return Finding(NAME, "shown", _quiet(spikes))
    abrupt = float(spikes.abrupt.mean())
    at = signals.step[spikes.peaks]
    waits = np.diff(at, prepend=signals.step[0])
    said = f"{100 * abrupt:.0f} % of {len(spikes)} spikes rise from one record to the next"
    if abrupt >= ALMOST_ALL and signals.every == 1 and signals.full_batch is False:
        return Finding(NAME, "shown", f"{said}, as at a bad batch; an instability takes longer")
    if spikes.recur:
        lacks = "a log of every step, and steps_per_epoch" if abrupt >= ALMOST_ALL else ""
        return Finding(NAME, "possible", said, lacks)
    if signals.step[-1] - at[-1] > LONG_QUIET * waits.max():
        return Finding(NAME, "shown", f"{said}, and none comes again for long")
    return Finding(NAME, "unknown", said, "a longer log")


def _quiet(spikes: Spikes) -> str:
    return (
        f"no record of the loss stands out of its noise (a factor of {np.exp(spikes.noise):.2g}) "
        "by six times as much"
    )
