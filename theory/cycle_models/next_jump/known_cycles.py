r"""What is known of the cycles of a run: where jumps begin, and how fast decay leads there.

After a landing at ``ln(elr) = l`` the next jump begins at

    u = level + slope (l - reference) + spread t,

and until then ``ln(elr)`` rises by a share of what decay alone would make of it, since gradients
push the norm up meanwhile. The share is log-normal over the rises of a run. A run's own cycles are
added to nothing, or to what a calibrated study says. The first jump of a run begins lower than the
others and is not counted.

Source: our own; measured in docs/results.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from theory.arrays import FloatArray
from theory.cycle_models.next_jump.normal_law import NormalLaw, Student
from theory.laws import decay_rate
from theory.trajectory import RecordedRun

# Before any cycle was seen, as the networks of docs/results.md have it: what an onset depends on
# its landing by, and how much it and the share of the decay scatter.
SLOPE, SLOPE_ERROR = 0.5, 0.25
ONSET_SPREAD, SHARE_SPREAD = 0.25, 0.1
PRIOR_WEIGHT = 3.0  # cycles that the spreads above count as


@dataclass(frozen=True)
class KnownCycles:
    """What is known of the cycles at one setting.

    Attributes:
        reference: a usual ``ln(elr)`` after a jump.
        onset: ``ln(elr)`` at which a jump begins, in 1 and its landing less the reference.
        share: ln of the share of decay by which ``ln(elr)`` rises, in 1.
        fall: mean steps from an onset to its landing.
    """

    reference: float
    onset: NormalLaw
    share: NormalLaw
    fall: float

    @classmethod
    def of(cls, run: RecordedRun, before: KnownCycles | None = None) -> KnownCycles:
        """What a run's complete cycles say, added to what was known before.

        Raises:
            ValueError: if there is none of either.
        """
        landings, onsets, rises, falls = _cycles(run)
        if before is None:
            if not len(onsets):
                raise ValueError(
                    "no period is complete so far: the next jump can be told after the first "
                    "period, or with a calibrated study"
                )
            before = unknown(float(landings.mean()))
        if not len(onsets):
            return before
        shares = np.log((onsets - landings) / (decay_rate(run.decay) * rises))
        ones = np.ones_like(landings)
        return replace(
            before,
            onset=before.onset.after(np.column_stack([ones, landings - before.reference]), onsets),
            share=before.share.after(ones[:, None], shares),
            fall=float(falls.mean()),
        )

    def onset_after(self, landing: float) -> Student:
        """``ln(elr)`` at which the jump after a landing begins."""
        return self.onset.at(1.0, landing - self.reference)


def unknown(reference: float) -> KnownCycles:
    """What is known before any cycle: nothing of the level, and how much such things scatter."""
    tied = (ONSET_SPREAD / SLOPE_ERROR) ** 2
    return KnownCycles(
        reference,
        NormalLaw((0.0, SLOPE), ((0.0, 0.0), (0.0, tied)), ONSET_SPREAD, PRIOR_WEIGHT),
        NormalLaw((0.0,), ((0.0,),), SHARE_SPREAD, PRIOR_WEIGHT),
        0.0,
    )


def _cycles(run: RecordedRun) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """``ln(elr)`` at each landing and at the onset after it; steps of that rise, of the fall."""
    jumps, log_elr = run.jumps, run.log_elr
    landed, begun = jumps.landings[: max(len(jumps.onsets) - 1, 0)], jumps.onsets[1:]
    rises = run.every * (begun - landed).astype(float)
    falls = run.every * (landed - jumps.onsets[:-1]).astype(float)
    return log_elr[landed], log_elr[begun], rises, falls
