"""What is no mechanism of training: restarts of the learning rate, single bad batches, nothing."""

import numpy as np
from scipy.stats import binom

from compare.diagnose.finding import Finding
from compare.diagnose.log.signals import Signals
from compare.diagnose.spikes import LEAST, MIN_SPIKES, Spikes

NAME = "none of these"
RAISED = 1.5  # a learning rate that rises by this factor within a few records restarts
WITHIN = 3  # records from a restart to the spike that it makes, or a twentieth of a cycle
OF_CYCLE = 0.125  # and no more than this share of it
BY_CHANCE = 1e-3  # largest probability that as many spikes lie there by chance
ALMOST_ALL = 0.8
PARTS, RISEN = 20, 3.0  # of a log; of the last one's loss over the lowest: it may come back
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
    cycle = float(np.diff(raised).mean())
    reach = int(max(1, min(max(WITHIN, cycle / 20), OF_CYCLE * cycle)))
    near = np.zeros(signals.n_records, dtype=bool)
    for at in raised:
        near[max(at - reach, 0) : at + reach + 1] = True
    n_near = int(near[spikes.onsets].sum())
    follow, chance = n_near / len(spikes), binom.sf(n_near - 1, len(spikes), near.mean())
    said = (
        f"{100 * follow:.0f} % of {len(spikes)} spikes begin where the learning rate is raised, "
        f"which happens {len(raised)} times"
    )
    shown = follow >= ALMOST_ALL and chance <= BY_CHANCE
    return Finding(
        NAME, "shown" if shown else "against", said, cause="restarts of the learning rate"
    )


def look_for_outliers(signals: Signals, spikes: Spikes) -> Finding:
    """Ask whether spikes come from one record to the next, or not again.

    An instability grows by a factor a step; a bad batch is there at once. Where each step sees
    all data there is no bad batch.
    """
    if not len(spikes):
        return _quiet(signals, spikes)
    abrupt = float(spikes.abrupt.mean())
    at = signals.step[spikes.peaks]
    waits = np.diff(at, prepend=signals.step[0])
    said = f"{100 * abrupt:.0f} % of {len(spikes)} spikes rise from one record to the next"
    if abrupt >= ALMOST_ALL and signals.every == 1 and signals.full_batch is False:
        said = f"{said}, as at a bad batch; an instability takes longer"
        return Finding(NAME, "shown", said, cause="single bad batches")
    if spikes.recur:
        of_batches = ("every", "steps_per_epoch") if abrupt >= ALMOST_ALL else ()
        return Finding(NAME, "possible", said, signals.lacking(*of_batches, "learning_rate"))
    quiet_at = at[-1] + LONG_QUIET * waits.max()
    if signals.step[-1] > quiet_at:
        said = f"{said}, and none comes again for long"
        return Finding(NAME, "shown", said, cause="spikes that do not come again")
    return Finding(NAME, "unknown", said, f"{MIN_SPIKES} spikes, or none until step {quiet_at:g}")


def _quiet(signals: Signals, spikes: Spikes) -> Finding:
    """What is said of a loss without spikes, or with ones that are too small to go by.

    A loss that ends far above its lowest may be on a spike that is longer than the log goes on.
    """
    noise = f"its noise (a factor of {np.exp(spikes.noise):.2g})"
    if spikes.n_out >= MIN_SPIKES:
        said = (
            f"{spikes.n_out} records of the loss stand out of {noise}, none of them by a factor "
            f"of {np.exp(LEAST):.2g}, from which on it is a spike"
        )
        return Finding(NAME, "possible", said, "a log in which the loss rises by half")
    few = "no" if not spikes.n_out else f"only {spikes.n_out}"
    said = f"{few} record of the loss stands out of {noise} by six times it"
    parts = [np.median(part) for part in np.array_split(signals.log_loss, PARTS)]
    above = float(np.exp(parts[-1] - min(parts)))
    if above > RISEN:
        said = f"{said}, and at its end it is {above:.2g} times its lowest"
        return Finding(NAME, "possible", said, "a longer log")
    return Finding(NAME, "shown", said, cause="the loss does not spike")
