"""The hazard process, fitted to the cycles of periodic settings."""

from collections.abc import Callable

import numpy as np

from compare.calibration.kick_fit import centred, slope
from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray
from theory.cycle_models.hazard_model import GompertzProcess, fit_hazard
from theory.cycle_models.log_line import LogLine

RESIDUAL_QUANTILES = 101


def fit(periodic: list[SettingCycles]) -> GompertzProcess:
    """Estimate the hazard of the jumps and the scatter of the kicks."""
    center = log_line(periodic, lambda c: float(c.all("onsets").mean()))
    spread = log_line(periodic, lambda c: float(np.log(c.all("onsets").std())))
    starts, onsets = [], []
    for cycles in periodic:
        middle, scale = center(cycles.intrinsic_lr), np.exp(spread(cycles.intrinsic_lr))
        onsets.append((cycles.all("next_onsets") - middle) / scale)
        starts.append(onsets[-1] - cycles.rate * cycles.all("lengths") / scale)
    residuals = np.concatenate([_residuals(cycles) for cycles in periodic])
    return GompertzProcess(
        hazard=fit_hazard(np.concatenate(starts), np.concatenate(onsets)),
        center=center,
        log_spread=spread,
        sensitivity=log_line(periodic, _sensitivity),
        log_kick_spread=log_line(periodic, lambda c: float(np.log(c.all("kicks").std()))),
        residuals=tuple(np.quantile(residuals, np.linspace(0, 1, RESIDUAL_QUANTILES)).tolist()),
    )


def log_line(settings: list[SettingCycles], quantity: Callable[[SettingCycles], float]) -> LogLine:
    """Least-squares line in ``ln(eta lam)``; exact for two settings."""
    values = [quantity(cycles) for cycles in settings]
    per_log, at_one = np.polyfit([np.log(c.intrinsic_lr) for c in settings], values, 1)
    return LogLine(at_one=float(at_one), slope=float(per_log))


def _sensitivity(cycles: SettingCycles) -> float:
    """Slope of kicks over onsets."""
    return slope(centred(cycles, "onsets"), centred(cycles, "kicks"))


def _residuals(cycles: SettingCycles) -> FloatArray:
    """Kicks about their line over onsets, over their standard deviation."""
    kicks = centred(cycles, "kicks")
    return np.asarray((kicks - _sensitivity(cycles) * centred(cycles, "onsets")) / kicks.std())
