"""The power of ``eta lam`` that periods follow."""

from dataclasses import dataclass

import numpy as np

from theory.arrays import FloatArray


@dataclass(frozen=True)
class Exponent:
    """Slope of ``log T`` on ``log(eta lam)``.

    Attributes:
        value: least-squares slope.
        standard_error: its standard error.
        n_periods: number of periods that were fitted.
    """

    value: float
    standard_error: float
    n_periods: int


def period_exponent(
    intrinsic_lr: FloatArray, period: FloatArray, standard_error: FloatArray | None = None
) -> Exponent:
    """Fit ``log T = c + p log(eta lam)`` by least squares.

    Without standard errors the scatter about the line gives the error of the slope. With them each
    period has the weight ``(T/se(T))^2``, and the error of the slope follows from the standard
    errors; where the periods scatter about the line by more than these, it is larger by
    ``chi^2/(n - 2)``.

    Args:
        intrinsic_lr: eta lam of each setting, (n,).
        period: T in steps, (n,); NaN where there is none.
        standard_error: of T in steps, (n,).

    Raises:
        ValueError: if fewer than three periods are known, or all at one ``eta lam``.
    """
    rates, times = np.asarray(intrinsic_lr, dtype=float), np.asarray(period, dtype=float)
    errors = np.ones_like(times) if standard_error is None else np.asarray(standard_error)
    known = np.isfinite(times) & (times > 0) & (rates > 0) & (errors > 0)
    x, y = np.log(rates[known]), np.log(times[known])
    if len(x) < 3 or np.ptp(x) == 0:
        raise ValueError(f"an exponent needs 3 periods at different eta*lam, got {len(x)}")
    weights = np.ones_like(x) if standard_error is None else times[known] / errors[known]
    (slope, offset), covariance = np.polyfit(x, y, 1, w=weights, cov="unscaled")
    scatter = float(np.sum((weights * (y - offset - slope * x)) ** 2) / (len(x) - 2))
    if standard_error is not None:
        scatter = max(1.0, scatter)
    return Exponent(float(slope), float(np.sqrt(scatter * covariance[0, 0])), len(x))
