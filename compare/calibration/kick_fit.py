"""Least-squares laws of the kick model: constants, lines in ln(eta lam) and steps."""

from collections.abc import Callable, Iterable

import numpy as np

from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import KickModel
from theory.cycle_models.log_line import LogLine

SETTINGS_FOR_RECOVERY = 4  # a line and a recovery are three numbers
LEAST_PENALTY = 2.0  # of a number (Akaike 1974): ln(n) is for many settings
MODEL_ERROR = 0.02  # of a line, relative, beyond the standard errors of its points
GROWTH_ERROR = 0.2  # of the line of ln y: no calibration knows it better


def fit(
    settings: list[SettingCycles], initial_norm: float, loss_law: tuple[float, float]
) -> KickModel:
    """Estimate every parameter of the kick model.

    Args:
        settings: cycles of the settings that jump, at least two of them periodic.
        initial_norm: weight norm at initialisation.
        loss_law: ``loss_at_unit_gradient`` and ``loss_exponent``.
    """
    at_unit_gradient, exponent = loss_law
    periodic = [cycles for cycles in settings if cycles.periodic]
    kick, recovery = _line_and_steps(settings, lambda c: np.asarray(c.rate * c.all("lengths")))
    reach, first_recovery = _line_and_steps(periodic, _first_reach)
    growth = log_line(settings, _growth)
    excess = np.concatenate([centred(c, "onsets") for c in periodic])
    kick_excess = np.concatenate([centred(c, "kicks") for c in periodic])
    sensitivity = slope(excess, kick_excess)
    return KickModel(
        kick=kick,
        recovery=recovery,
        onset=log_line(periodic, lambda c: float(c.all("onsets").mean())),
        landing=log_line(periodic, lambda c: float(c.all("landings").mean())),
        variation=log_line(periodic, _variation),
        growth=growth,
        growth_scatter=_mean(_growth_scatter(c) for c in settings),
        growth_error=max(_error(settings, growth, _growth), GROWTH_ERROR),
        sensitivity=sensitivity,
        kick_scatter=float((kick_excess - sensitivity * excess).std()),
        initial_norm=initial_norm,
        first_reach=reach,
        first_recovery=first_recovery,
        first_variation=_mean(_spread(c.all("first_step")) for c in periodic),
        first_kick=_mean(c.all("first_kick").mean() for c in periodic),
        loss_at_unit_gradient=at_unit_gradient,
        loss_exponent=exponent,
    )


def _first_reach(cycles: SettingCycles) -> FloatArray:
    return np.asarray(cycles.all("first_onset") + cycles.all("first_kick"))


def centred(cycles: SettingCycles, name: str) -> FloatArray:
    """A quantity of all cycles about its mean."""
    values = cycles.all(name)
    return np.asarray(values - values.mean())


def slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of y over x, both about their means."""
    return float(x @ y / (x @ x))


def _variation(cycles: SettingCycles) -> float:
    return _spread(cycles.all("lengths"))


def _spread(values: FloatArray) -> float:
    """Standard deviation over mean."""
    return float(values.std() / values.mean()) if values.mean() else 0.0


def _growth(cycles: SettingCycles) -> float:
    return float(cycles.all("growth").mean())


def _error(
    settings: list[SettingCycles], line: LogLine, quantity: Callable[[SettingCycles], float]
) -> float:
    """Standard deviation of settings about a line with two free numbers; 0 for two of them."""
    residuals = [quantity(cycles) - line(cycles.intrinsic_lr) for cycles in settings]
    return float(np.sqrt(np.sum(np.square(residuals)) / max(len(residuals) - 2, 1)))


def _growth_scatter(cycles: SettingCycles) -> float:
    """Standard deviation over runs of ``ln y``, times the root of their mean number of cycles."""
    values = cycles.all("growth")
    spread = values.std(ddof=1) if len(values) > 1 else float("nan")
    return float(spread * np.sqrt(cycles.n_cycles / len(cycles.runs)))


def _mean(values: Iterable[float]) -> float:
    """Mean of the known values; 0 where there is none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else 0.0


def log_line(settings: list[SettingCycles], quantity: Callable[[SettingCycles], float]) -> LogLine:
    """Least-squares line in ``ln(eta lam)``; exact for two settings."""
    values = [quantity(cycles) for cycles in settings]
    per_log, at_one = np.polyfit([np.log(c.intrinsic_lr) for c in settings], values, 1)
    return LogLine(at_one=float(at_one), slope=float(per_log))


def _line_and_steps(
    settings: list[SettingCycles], samples: Callable[[SettingCycles], FloatArray]
) -> tuple[LogLine, float]:
    """A line in ``ln(eta lam)`` plus r times a number of steps, with as few numbers as will do.

    Constant, line, and line with steps are fitted to the means of the settings, each known to its
    standard error and to ``MODEL_ERROR``. That of the smallest ``chi^2 + k ln(n)`` is taken
    (Schwarz 1978, k numbers, n settings; for fewer than 8, the ``chi^2 + 2 k`` of Akaike 1974), so
    that noise is not read as a slope. Where each setting has one sample no error is known: the
    scatter about the law stands for it, by the corrected criterion of Hurvich and Tsai (1989).
    """
    found = [samples(cycles) for cycles in settings]
    values = np.array([one.mean() for one in found])
    errors = _standard_errors(found)
    columns = np.array([[1.0, np.log(c.intrinsic_lr), c.rate] for c in settings])
    n_settings, weights = len(settings), np.ones(len(settings))
    if errors is not None:
        weights = 1 / np.hypot(errors, MODEL_ERROR * np.abs(values))
    best, least = np.zeros(3), np.inf
    for n_numbers in range(1, 4 if n_settings >= SETTINGS_FOR_RECOVERY else 3):
        scaled = columns[:, :n_numbers] * weights[:, None]
        numbers = np.linalg.lstsq(scaled, values * weights, rcond=None)[0]
        misfit = float(np.sum((scaled @ numbers - values * weights) ** 2))
        if errors is not None:
            score = misfit + n_numbers * max(LEAST_PENALTY, np.log(n_settings))
        else:
            score = _corrected_criterion(misfit, n_settings, n_numbers)
        if score < least or n_numbers == 1:
            best, least = np.append(numbers, np.zeros(3 - n_numbers)), score
    return LogLine(at_one=float(best[0]), slope=float(best[1])), float(best[2])


def _standard_errors(found: list[FloatArray]) -> FloatArray | None:
    """Standard error of each mean; of one sample, from the scatter of others; None if all are."""
    spreads = [one.std() for one in found if len(one) > 1]
    if not spreads:
        return None
    pooled = float(np.mean(spreads))
    return np.array([(one.std() if len(one) > 1 else pooled) / np.sqrt(len(one)) for one in found])


def _corrected_criterion(misfit: float, n: int, n_numbers: int) -> float:
    """Akaike's criterion of a law whose errors are its scatter, corrected for small n.

    Source: Hurvich and Tsai 1989; the scatter is a number too. Infinite where none is left over.
    """
    k = n_numbers + 1
    if n <= k + 1:
        return np.inf
    return float(n * np.log(misfit / n + np.finfo(float).tiny) + 2 * k * n / (n - k - 1))
