r"""Probability of a jump within any number of steps: the exact decay, and where jumps begin.

Decay raises ``ln(elr)`` by ``r = -2 ln(1 - eta lam)`` a step, less what gradients add to the norm:
by a share f of r, from u now. A jump begins at an onset U above the highest value u_high that this
rise has passed already, so that within n steps it comes with probability

    P(n) = 1 - P(U > u + f r n) / P(U > u_high),

a mean over f; U and f are those of ``known_cycles``. P depends on r n alone: a fraction of the
decay puts a jump off by its inverse. Where ``ln(elr)`` lies below its highest value the jump may
have begun already.

Source: our own. For onsets at the same elr at all decays see ``cycle_models.burst_hazard``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from theory import validate
from theory.cycle_models.next_jump.normal_law import Student

SURE = 0.9
LONGEST = 1e12  # steps
SMALLEST_FACTOR = 1e-6  # on a setting, that is searched
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class Outlook:
    """What is known of the next jump of a run.

    Attributes:
        onset: ``ln(elr)`` at which it begins.
        share: ln of the share of decay by which ``ln(elr)`` rises.
        start: ``ln(elr)`` from which it rises.
        passed: highest ``ln(elr)`` at which no jump began in this rise.
        rate: r, rise of ``ln(elr)`` by decay alone in a step.
        delay: steps until the rise sets in, after a jump.
        begun: probability that the jump has begun already.
        learning_rate: eta.
        weight_decay: lam.
        n_steps: that are looked ahead where no other number is asked for.
    """

    onset: Student
    share: Student
    start: float
    passed: float
    rate: float
    delay: float
    begun: float
    learning_rate: float
    weight_decay: float
    n_steps: int

    def probability(self, n_steps: float | None = None) -> float:
        """Probability that the next jump begins within so many steps.

        Raises:
            ValueError: if the number is negative or not finite.
        """
        n = validate.non_negative("n_steps", self.n_steps if n_steps is None else n_steps)
        share = np.exp(np.minimum(self.share.mean + self.share.scale * NODES, 0.0))
        reached = self.start + share * self.rate * max(n - self.delay, 0.0)
        left = self.onset.above(np.maximum(reached, self.passed)) / self.onset.above(self.passed)
        return self.begun + (1 - self.begun) * float(1 - left @ WEIGHTS / WEIGHTS.sum())

    def wait(self, probability: float) -> float:
        """Steps within which the next jump begins with a probability; 0 where it may have begun.

        Raises:
            ValueError: if the probability is not from 0 to below 1.
        """
        asked = validate.fraction("probability", probability)
        if self.probability(0) >= asked:
            return 0.0
        end = 1.0
        while self.probability(end) < asked and end < LONGEST:
            end *= 2
        if end >= LONGEST:
            return float("inf")
        return float(brentq(lambda n: self.probability(n) - asked, 0.0, end))

    @property
    def median_wait(self) -> float:
        """Steps within which it comes as likely as not."""
        return self.wait(0.5)

    @property
    def low(self) -> float:
        """Steps before which it comes once in 20 times."""
        return self.wait(0.05)

    @property
    def high(self) -> float:
        """Steps after which it comes once in 20 times."""
        return self.wait(0.95)

    def avoiding_weight_decay(self, n_steps: float | None = None) -> float | None:
        """The largest from now on with which no jump comes within so many steps, as ``SURE``.

        None where the jump may have begun, and the present one where that is small enough. Decay
        counts as proportional to it, which errs on the safe side.
        """
        return _times(self.weight_decay, lambda f: replace(self, rate=f * self.rate), n_steps)

    def avoiding_learning_rate(self, n_steps: float | None = None) -> float | None:
        """The same for the learning rate, which the effective one falls with at once."""

        def slower(f: float) -> Outlook:
            return replace(self, rate=f * self.rate, start=self.start + float(np.log(f)))

        return _times(self.learning_rate, slower, n_steps)

    def when(self) -> str:
        """The median wait in words."""
        wait = self.median_wait
        return f"in about {_round(wait)} steps" if wait >= 1 else "now, if it has not begun"

    def sentence(self, n_steps: int | None = None) -> str:
        """When it comes, and what would avoid it, in words."""
        n = self.n_steps if n_steps is None else n_steps
        chance = self.probability(n)
        said = (
            f"The next jump is expected {self.when()} (90 %: {_round(self.low)} to "
            f"{_round(self.high)}); within the next {n:,} steps it comes with probability "
            f"{chance:.2f}."
        )
        decay, rate = self.avoiding_weight_decay(n), self.avoiding_learning_rate(n)
        if chance <= 1 - SURE or decay is None or rate is None:
            return said
        return (
            f"{said} To keep it away that long with probability {SURE:g}: a weight decay of "
            f"{decay:.2g} or a learning rate of {rate:.2g} from now on."
        )


def _times(
    value: float, changed: Callable[[float], Outlook], n_steps: float | None
) -> float | None:
    """The largest share of a setting's value at which no jump comes, as ``SURE``."""

    def excess(log_factor: float) -> float:
        return changed(float(np.exp(log_factor))).probability(n_steps) - (1 - SURE)

    if excess(0.0) <= 0:
        return value
    smallest = float(np.log(SMALLEST_FACTOR))
    if excess(smallest) >= 0:
        return None
    return value * float(np.exp(brentq(excess, smallest, 0.0)))


def _round(steps: float) -> str:
    """Steps to two digits."""
    return f"{float(f'{steps:.2g}'):,.0f}"
