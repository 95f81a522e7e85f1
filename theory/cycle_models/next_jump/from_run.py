"""The outlook on the next jump from the end of a run's records.

The share of decay in the present rise counts as much as its steps do beside an expected rise, so
that a run that comes to rest is seen to; where a jump should have come long ago nothing is said.
Whether a dip is a jump that has begun, the earlier dips of the run tell.
"""

from dataclasses import replace

import numpy as np

from theory import validate
from theory.cycle_models.next_jump.known_cycles import KnownCycles
from theory.cycle_models.next_jump.outlook import Outlook
from theory.laws import decay_rate
from theory.trajectory import RecordedRun
from theory.trajectory.jumps import JUMP_LOG_ELR

# Rules whose decay shrinks the norm by eta lam a step.
DECAYED = ("sgd", "sgdw", "adamw", "lion", "muon")
OVERDUE = 0.999  # probability that the jump would have come, beyond which this is another training


def look_ahead(
    run: RecordedRun, known: KnownCycles | None = None, *, n_steps: int | None = None
) -> Outlook:
    """Look ahead from the end of a run's records.

    Args:
        run: what was recorded so far.
        known: what was known of its cycles before, from a calibrated study.
        n_steps: to look ahead; about an expected period by default.

    Raises:
        ValueError: saying why nothing can be told.
    """
    check(run)
    cycles, jumps = KnownCycles.of(run, known), run.jumps
    if not len(jumps.onsets):
        raise ValueError("no jump has come so far, and the first begins lower than those after it")
    last = int(jumps.onsets[-1])
    rising = len(jumps.landings) == len(jumps.onsets)
    landed = int(jumps.landings[-1]) if rising else last + int(np.argmin(run.log_elr[last:]))
    lowest = float(run.log_elr[landed])
    fallen = run.every * (jumps.end - last)
    has_landed = rising or lowest <= cycles.reference or fallen >= cycles.fall
    landing = lowest if has_landed else cycles.reference
    made = Outlook(
        onset=cycles.onset_after(landing),
        share=cycles.share.at(1.0),
        start=landing if rising or not has_landed else float(run.log_elr[-1]),
        passed=landing + JUMP_LOG_ELR,
        rate=decay_rate(run.decay),
        delay=0.0 if has_landed else cycles.fall - fallen,
        begun=0.0,
        learning_rate=run.learning_rate,
        weight_decay=run.weight_decay,
        n_steps=1,
    )
    made = replace(made, n_steps=horizon(n_steps, made.median_wait + cycles.fall))
    return _risen(made, run, landed) if rising else made


def horizon(n_steps: int | None, usual: float) -> int:
    """Steps to look ahead: those asked for, or one digit of a usual time.

    Raises:
        ValueError: if fewer than one is asked for.
    """
    if n_steps is None:
        return max(int(float(f"{usual:.1g}")), 1)
    return validate.at_least("n_steps", n_steps, 1)


def check(run: RecordedRun) -> None:
    """Refuse a run whose next jump the decay does not tell.

    Raises:
        ValueError: saying why.
    """
    if not run.finite or not np.isfinite(run.log_elr).all():
        raise ValueError("the run did not stay finite, so that no jump follows")
    if run.stopped:
        raise ValueError("the records ended early, and where the norm is by now is not known")
    if run.update_rule not in DECAYED:
        raise ValueError(f"for {run.update_rule} it is not known what decay takes from the norm")
    if run.scheduled:
        raise ValueError("the learning rate changes, and the next jump with it")
    if run.decay == 0:
        raise ValueError("without weight decay nothing leads to the next jump")


def overdue(before: Outlook, waited: float) -> None:
    """Refuse to go on from what was said before where a jump should have come long ago.

    Raises:
        ValueError: with how long it has been awaited.
    """
    if before.probability(waited) > OVERDUE:
        raise ValueError(
            f"no jump came for {waited:,.0f} steps, where one was expected in "
            f"{before.median_wait:,.0f}: training no longer destabilises as it did"
        )


def _risen(landed: Outlook, run: RecordedRun, landing: int) -> Outlook:
    """The outlook now, from that at the landing."""
    rise = run.log_elr[landing:]
    waited = run.every * (len(rise) - 1)
    overdue(landed, waited)
    expected = max(landed.onset.mean - landed.start, JUMP_LOG_ELR)
    steps = expected / (landed.rate * np.exp(landed.share.mean))
    climbed = max(float(rise[-1] - rise[0]), JUMP_LOG_ELR / 10)
    share = float(np.log((expected + climbed) / (landed.rate * (steps + waited))))
    return replace(
        landed,
        share=replace(landed.share, mean=share),
        start=float(rise[-1]),
        passed=float(rise.max()),
        begun=_begun(run, landing),
    )


def _begun(run: RecordedRun, landing: int) -> float:
    """Probability that a dip below the highest ``ln(elr)`` of a rise is a jump that has begun.

    The share of jumps among the steps so far, in this rise up to its highest and in earlier ones,
    that lay half to twice as deep; one more is counted by a fair game between the way back and the
    depth of a jump, ``dip / JUMP_LOG_ELR``.
    """
    jumps, log_elr = run.jumps, run.log_elr
    top = landing + int(np.argmax(log_elr[landing:]))
    dip = float(log_elr[top] - log_elr[-1])
    if dip == 0:
        return 0.0
    known, begun = 1.0, dip / JUMP_LOG_ELR
    for low, onset in [*zip(jumps.landings, jumps.onsets[1:], strict=False), (landing, top)]:
        deep = log_elr[onset:] <= log_elr[onset] - JUMP_LOG_ELR
        rise = log_elr[low : onset + np.argmax(deep)]  # until the jump was seen to be one
        depth = np.maximum.accumulate(rise) - rise
        alike = (depth >= dip / 2) & (depth <= 2 * dip)
        known, begun = known + alike.sum(), begun + alike[onset - low :].sum()
    return begun / known
