"""A line in the logarithm of the intrinsic learning rate, of which the cycle models are made."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LogLine:
    """A quantity that is linear in ``ln(eta lam)``: its value at 1, and its slope."""

    at_one: float
    slope: float

    def __call__(self, intrinsic_lr: float) -> float:
        """Value at an intrinsic learning rate."""
        return self.at_one + self.slope * float(np.log(intrinsic_lr))
