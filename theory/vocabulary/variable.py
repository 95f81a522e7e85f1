"""What a variable is called, how it is written, and what theory demands of it."""

from dataclasses import dataclass

import numpy as np

from theory.arrays import FloatArray


@dataclass(frozen=True)
class Variable:
    """A quantity of the vocabulary.

    Attributes:
        long_name: its name in tables and figures.
        symbol: symbol of the field, if it has one.
        units: unit.
        perfect: value that theory demands, or that a perfect prediction has; None for neither.
        low: smallest value that passes a law check; None where it is no check.
        high: largest value that passes.
        reason: why a law check allows what it does.
    """

    long_name: str
    symbol: str = ""
    units: str = "1"
    perfect: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """Long name, symbol and unit, as tables and axes carry them."""
        symbol = f" {self.symbol}" if self.symbol else ""
        return self.long_name + symbol + ("" if self.units == "1" else f" [{self.units}]")

    def passes(self, values: FloatArray) -> bool:
        """Whether all known values of a law check lie within its tolerance."""
        known = values[np.isfinite(values)]
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return bool(len(known) > 0 and ((known >= low) & (known <= high)).all())
