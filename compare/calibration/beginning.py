"""How a run begins, and what another learning rate makes of it."""

import math
from dataclasses import dataclass

LEAST, SHARE = 0.5, 0.5  # of what falls away at a much lower rate: in any case, and of the growth
HIGHER = 1.25  # what is added at a higher one, over ln of the factor


@dataclass(frozen=True)
class Beginning:
    """What comes before the first jump.

    Attributes:
        log_elr: ``ln(elr)`` at initialisation.
        growth: of ``ln(rho^2)`` from there until the first jump; None where what is known of
            first jumps comes from several rates, or it was not recorded: then elr at the first jump
            is taken as that which the laws say, whatever the rate.
    """

    log_elr: float
    growth: float | None

    def at(self, factor: float) -> float:
        """Where a run at a multiple of the rate seems to have started, ``ln(elr)``.

        Its decay being the same, it jumps when decay alone would have raised ``ln(elr)`` from here
        to where the first jump came at the rate itself. It starts at ``log_elr + ln(factor)``, but
        the norm grows less on the way from a lower start, as first steps turn the weights by less,
        and the first jump begins a little lower. The numbers are those of docs/results.md, "Other
        rates": measured on four networks, not derived.
        """
        return self.apparent(self.log_elr + math.log(factor))

    def apparent(self, log_elr: float) -> float:
        """The same for a run that starts at ``log_elr``."""
        if self.growth is None:
            return log_elr
        return log_elr - raised(log_elr - self.log_elr, self.growth)


def raised(away: float, growth: float) -> float:
    """By how much the ``ln(elr)`` that decay alone would reach at the first jump is higher.

    Args:
        away: by how much ``ln(elr)`` is higher at the start.
        growth: of ``ln(rho^2)`` until the first jump, from where it is not.
    """
    falls_away = LEAST + SHARE * growth
    return HIGHER * away if away > 0 else falls_away * math.expm1(away)
