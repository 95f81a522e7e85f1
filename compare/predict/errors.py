"""How far predictions are from what was measured."""

from collections.abc import Mapping

import numpy as np
import xarray as xr


def relative_error(predicted: xr.DataArray, measured: xr.DataArray) -> xr.DataArray:
    """``predicted / measured - 1``, element by element."""
    return predicted / measured - 1


def absolute_errors(
    settings: xr.Dataset, name: str, *, source: str = "predicted", role: str = "held_out"
) -> np.typing.NDArray[np.float64]:
    """Absolute relative errors of a prediction over the periodic settings of one role.

    Args:
        settings: what ``by_setting`` returns.
        name: the observable, e.g. ``period``.
        source: ``predicted``, ``baseline`` or ``power_law``.
        role: ``held_out`` or ``calibration``.

    Returns:
        The errors as fractions, one for each setting where both are known.
    """
    chosen = (settings["role"] == role) & (settings["regime"] == "periodic")
    error = np.abs(relative_error(settings[f"{source}_{name}"], settings[name]).values)
    return np.asarray(error[chosen.values & np.isfinite(error)])


def median_absolute_error(
    settings: xr.Dataset, name: str, *, source: str = "predicted", role: str = "held_out"
) -> float:
    """Median of ``absolute_errors``; NaN where nothing can be compared."""
    errors = absolute_errors(settings, name, source=source, role=role)
    return float(np.median(errors)) if len(errors) else float("nan")


def interval_coverage(
    comparison: xr.Dataset, periods: Mapping[str, list[float]], *, source: str = "predicted"
) -> float:
    """Share of single measured periods inside the predicted 90 % interval.

    Args:
        comparison: the comparison along ``run``.
        periods: single periods by run id, steps.
        source: ``predicted`` or ``process``.
    """
    inside: list[bool] = []
    for run, values in periods.items():
        low, high = (
            float(comparison[f"{source}_period_{end}"].sel(run=run)) for end in ("low", "high")
        )
        inside += [low <= period <= high for period in values]
    return float(np.mean(inside)) if inside else float("nan")
