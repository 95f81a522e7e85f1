"""The run that somebody is about to train."""

import math
from dataclasses import dataclass, field

from compare.study.design import LONGEST_RUN
from empirical.training.recipe import Recipe
from theory import laws, validate


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be forecast.

    Attributes:
        learning_rate: eta, above 0 and constant.
        weight_decay: lam, above 0.
        n_steps: optimizer steps.
        momentum: heavy-ball coefficient.
        recipe: model, data, batches and the like.
    """

    learning_rate: float
    weight_decay: float
    n_steps: int
    momentum: float = 0.0
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        validate.setting(self.learning_rate, self.weight_decay)
        if self.weight_decay == 0:
            raise ValueError(
                "weight_decay must be a positive number: without it the norm can only grow, and no "
                "training destabilises for that"
            )
        validate.positive("weight_decay", self.weight_decay)
        validate.fraction("momentum", self.momentum)
        object.__setattr__(self, "n_steps", validate.whole("steps", self.n_steps))
        validate.at_least("steps", self.n_steps, 1)
        if self.n_steps > LONGEST_RUN:
            raise ValueError(f"steps must be at most {LONGEST_RUN:g}, got {self.n_steps}")
        self.recipe.check_run(self.weight_decay, self.momentum)
        if self.recipe.schedule != "constant":
            raise ValueError("a forecast is for a constant learning rate, got a schedule")
        if self.recipe.fixed_norm or self.recipe.clip:
            raise ValueError("a forecast is for a free norm: no fixed_norm, no clip")
        if not self.recipe.normalised:
            raise ValueError("a forecast is for a normalised network")
        laws.momentum_shrink(self.learning_rate, self.weight_decay, self.momentum)

    @property
    def intrinsic_lr(self) -> float:
        """Eta lam."""
        return self.learning_rate * self.weight_decay

    @property
    def decay(self) -> float:
        """Share of the norm that decay takes in a step; see ``laws.long_run_decay``."""
        return laws.long_run_decay(self.learning_rate, self.weight_decay, self.momentum)

    @property
    def largest_decay(self) -> float:
        """What any weight decay takes at most in the long run: with more it oscillates (LA19)."""
        return 1 - math.sqrt(self.momentum)

    def near(self, decay: float) -> float:
        """The decay nearest to another that a weight decay of four digits makes."""
        rounded = float(f"{self.weight_decay_for(decay):.4g}")
        return laws.long_run_decay(self.learning_rate, rounded, self.momentum)

    def weight_decay_for(self, decay: float) -> float:
        """The lam at which, at the same rate and momentum, decay takes such a share of the norm.

        From ``alpha^2 - (1 + m - eta lam) alpha + m = 0`` for ``alpha = 1 - decay`` (LA19).

        Raises:
            ValueError: for more than ``1 - sqrt(m)``, which no weight decay takes: it oscillates.
        """
        if decay > self.largest_decay:
            raise ValueError(
                f"with momentum {self.momentum:g} decay takes at most "
                f"{self.largest_decay:.3g} of the norm a step, not {decay:g}"
            )
        alpha = 1 - decay
        exact = (1 + self.momentum - alpha - self.momentum / alpha) / self.learning_rate
        return float(f"{exact:.12g}")
