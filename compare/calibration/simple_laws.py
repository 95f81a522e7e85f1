"""What predicts periods without theory: a constant, and a power law.

Both are lines in ``ln(eta lam)`` for the logarithm of ``r T``, the power law with a free slope, the
constant (``T eta lam = const``, the baseline of every prediction) without one. They are fitted by
weighted least squares and have the intervals of that: what a careful user would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray
from theory.laws import decay_rate

INTERVAL = 0.9


@dataclass(frozen=True)
class SimpleLaw:
    """A line for ``ln(r T)``.

    Attributes:
        center: mean ``ln(eta lam)`` of the settings it was fitted to.
        level: its value there.
        slope: 0 for a constant.
        level_error: standard error of the level.
        slope_error: of the slope.
        variation: standard deviation of single periods over their mean.
    """

    center: float
    level: float
    slope: float
    level_error: float
    slope_error: float
    variation: float

    def period(self, intrinsic_lr: float) -> tuple[float, float]:
        """Mean period and its standard error, steps."""
        away = float(np.log(intrinsic_lr)) - self.center
        mean = float(np.exp(self.level + self.slope * away)) / decay_rate(intrinsic_lr)
        return mean, mean * float(np.hypot(self.level_error, self.slope_error * away))

    def single(self, intrinsic_lr: float) -> tuple[float, float]:
        """5th and 95th percentile of single periods, steps; they scatter log-normally."""
        mean, error = self.period(intrinsic_lr)
        width = float(np.sqrt(np.log1p(self.variation**2 + (error / mean) ** 2)))
        away = float(ndtri(0.5 + INTERVAL / 2)) * width
        middle = mean * np.exp(-(width**2) / 2)
        return float(middle * np.exp(-away)), float(middle * np.exp(away))


def constant(settings: Sequence[SettingCycles]) -> SimpleLaw:
    """``T eta lam = const`` for settings with complete cycles."""
    x, y, errors, variation = _logs(settings)
    weights = errors**-2
    level = float(weights @ y / weights.sum())
    scatter = max(1.0, float(weights @ (y - level) ** 2) / max(len(y) - 1, 1))
    error = float(np.sqrt(scatter / weights.sum()))
    return SimpleLaw(float(weights @ x / weights.sum()), level, 0.0, error, 0.0, variation)


def power_law(settings: Sequence[SettingCycles]) -> SimpleLaw | None:
    """``T`` as a power of ``eta lam``; None where there are not two settings to tell it."""
    x, y, errors, variation = _logs(settings)
    if len(x) < 2:
        return None
    weights = errors**-2
    center = float(weights @ x / weights.sum())
    spread = float(weights @ (x - center) ** 2)
    level = float(weights @ y / weights.sum())
    slope = float(weights @ ((x - center) * y) / spread)
    misfit = float(weights @ (y - level - slope * (x - center)) ** 2)
    scatter = np.sqrt(max(1.0, misfit / max(len(y) - 2, 1)))
    level_error, slope_error = scatter / np.sqrt(weights.sum()), scatter / np.sqrt(spread)
    return SimpleLaw(center, level, slope, float(level_error), float(slope_error), variation)


def _logs(settings: Sequence[SettingCycles]) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """``ln(eta lam)`` and ``ln(r T)`` of the settings, its standard errors, and the variation."""
    lengths = [cycles.all("lengths") for cycles in settings]
    total = sum(map(len, lengths))
    squares = sum(float(((one / one.mean() - 1) ** 2).sum()) for one in lengths)
    variation = float(np.sqrt(squares / max(total - len(lengths), 1))) or 1.0
    x = np.log([cycles.intrinsic_lr for cycles in settings])
    y = np.array([np.log(c.rate * c.all("lengths").mean()) for c in settings])
    return x, y, np.array([variation / len(one) ** 0.5 for one in lengths]), variation
