"""Fit the models of a cycle to the calibration runs of a study, and to nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from compare.observed_cycles import SettingCycles, collect
from theory.gompertz import GompertzProcess, Hazard, fit_hazard
from theory.laws import FloatArray
from theory.reduced import KickModel, LogLine

MIN_CYCLES_PER_SETTING = 10
SMALLEST_RANGE = 1.5
SETTINGS_FOR_RECOVERY = 4  # a line and a recovery are three numbers
MODEL_ERROR = 0.02  # of a line, relative, beyond the standard errors of its points
GROWTH_ERROR = 0.2  # of the line of ln y: no calibration knows it better
RESIDUAL_QUANTILES = 101
RESAMPLES = 60
LINES_OF_PROCESS = ("center", "log_spread", "sensitivity", "log_kick_spread")
LINES = ("kick", "onset", "landing", "variation", "growth", "first_reach")


@dataclass(frozen=True)
class Calibration:
    """The fitted models, their baselines and where they come from.

    Attributes:
        model: the kick model.
        process: the same kicks at jumps that come at random, at a hazard.
        baseline: mean period times ``eta lam``, the constant of the baseline.
        power_law: ``ln(period)`` as a line in ``ln(eta lam)``, with no theory in it.
        runs: ids of the runs that were used.
    """

    model: KickModel
    process: GompertzProcess
    baseline: float
    power_law: LogLine
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What is known of the runs to calibrate on.

    Attributes:
        settings: their cycles; those that jump.
        initial_norm: weight norm at initialisation.
        loss_law: ``loss_at_unit_gradient`` and ``loss_exponent``.
        runs: their ids.
    """

    settings: list[SettingCycles]
    initial_norm: float
    loss_law: tuple[float, float]
    runs: tuple[str, ...]


def observe(trajectories: xr.Dataset, runs: Sequence[str]) -> Sample:
    """Look at the calibration runs, and at nothing else.

    Settings of which most runs are in equilibrium serve for kick and growing share alone: onset
    and landing are not those of a sawtooth.

    Args:
        trajectories: trajectories of networks; only the named runs are looked at.
        runs: ids of the calibration runs.

    Raises:
        ValueError: if fewer than two periodic values of ``eta lam`` are left, or a periodic one
            has fewer than ``MIN_CYCLES_PER_SETTING`` cycles.
    """
    chosen = trajectories.sel(run=list(runs))
    norm = float(chosen["weight_norm"].isel(step=0).mean())
    return Sample(usable(collect(chosen)), norm, _loss_law(chosen), tuple(map(str, runs)))


def calibrate(sample: Sample) -> Calibration:
    """Fit all models."""
    periodic = [cycles for cycles in sample.settings if cycles.periodic]
    model = fit(sample)
    return Calibration(
        model=model,
        process=_process(periodic, model),
        baseline=float(np.mean([c.all("lengths").mean() * c.intrinsic_lr for c in periodic])),
        power_law=_log_line(periodic, lambda c: float(np.log(c.all("lengths").mean()))),
        runs=sample.runs,
    )


def usable(settings: list[SettingCycles]) -> list[SettingCycles]:
    """The settings that jump.

    Raises:
        ValueError: if the periodic ones are too few, too close or too short.
    """
    jumping = [cycles for cycles in settings if cycles.n_cycles]
    periodic = [cycles for cycles in jumping if cycles.periodic]
    for cycles in periodic:
        if cycles.n_cycles < MIN_CYCLES_PER_SETTING:
            raise ValueError(
                f"calibration at eta*lam = {cycles.intrinsic_lr:g} has {cycles.n_cycles} "
                f"complete cycles, {MIN_CYCLES_PER_SETTING} needed; train longer"
            )
    values = [cycles.intrinsic_lr for cycles in periodic]
    if len(values) < 2 or values[-1] < SMALLEST_RANGE * values[0]:
        raise ValueError(
            "calibration needs periodic runs at two or more values of eta*lam at least a factor "
            f"{SMALLEST_RANGE} apart, got {', '.join(f'{value:g}' for value in values) or 'none'}"
        )
    return [c for c in jumping if c.n_cycles >= MIN_CYCLES_PER_SETTING]


def fit(sample: Sample) -> KickModel:
    """Estimate every parameter of the kick model."""
    settings, (at_unit_gradient, exponent) = sample.settings, sample.loss_law
    periodic = [cycles for cycles in settings if cycles.periodic]
    kick, recovery = _line_and_steps(settings, lambda c: np.asarray(c.rate * c.all("lengths")))
    reach, first_recovery = _line_and_steps(periodic, _first_reach)
    growth = _log_line(settings, _growth)
    excess = np.concatenate([_centred(c, "onsets") for c in periodic])
    kick_excess = np.concatenate([_centred(c, "kicks") for c in periodic])
    sensitivity = float(excess @ kick_excess / (excess @ excess))
    return KickModel(
        kick=kick,
        recovery=recovery,
        onset=_log_line(periodic, lambda c: float(c.all("onsets").mean())),
        landing=_log_line(periodic, lambda c: float(c.all("landings").mean())),
        variation=_log_line(periodic, _variation),
        growth=growth,
        growth_scatter=_mean(_growth_scatter(c) for c in settings),
        growth_error=max(_error(settings, growth, _growth), GROWTH_ERROR),
        sensitivity=sensitivity,
        kick_scatter=float((kick_excess - sensitivity * excess).std()),
        initial_norm=sample.initial_norm,
        first_reach=reach,
        first_recovery=first_recovery,
        first_variation=_mean(_spread(c.all("first_step")) for c in periodic),
        first_kick=_mean(c.all("first_kick").mean() for c in periodic),
        loss_at_unit_gradient=at_unit_gradient,
        loss_exponent=exponent,
    )


def resample(sample: Sample, *, count: int = RESAMPLES) -> list[KickModel]:
    """Refit the kick model to runs drawn with replacement among the seeds of each setting.

    Args:
        sample: what ``observe`` returns.
        count: how many times. A draw that leaves too few periodic settings is left out.
    """
    rng = np.random.default_rng(0)
    models = []
    for _ in range(count):
        drawn = [cycles.resampled(rng) for cycles in sample.settings]
        try:
            models.append(fit(replace(sample, settings=usable(drawn))))
        except ValueError:
            continue
    return models


def model_from_json(text: str) -> KickModel:
    """The kick model that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    try:
        return KickModel(**_with_lines(json.loads(text)["model"], LINES))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("no calibrated model of this version is there") from error


def process_from_json(text: str) -> GompertzProcess:
    """The stochastic process that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    try:
        values = json.loads(text)["process"]
        held = {"hazard": Hazard(**values["hazard"]), "residuals": tuple(values["residuals"])}
        return GompertzProcess(**_with_lines(values, LINES_OF_PROCESS) | held)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("no calibrated process of this version is there") from error


def to_json(calibration: Calibration) -> str:
    """The calibration as JSON, for the attribute of a comparison."""
    return json.dumps(asdict(calibration))


def _with_lines(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**values, **{name: LogLine(**values[name]) for name in names}}


def _process(periodic: list[SettingCycles], model: KickModel) -> GompertzProcess:
    """Hazard of the jumps and scatter of the kicks."""
    center = _log_line(periodic, lambda c: float(c.all("onsets").mean()))
    spread = _log_line(periodic, lambda c: float(np.log(c.all("onsets").std())))
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
        sensitivity=_log_line(periodic, _sensitivity),
        log_kick_spread=_log_line(periodic, lambda c: float(np.log(c.all("kicks").std()))),
        residuals=tuple(np.quantile(residuals, np.linspace(0, 1, RESIDUAL_QUANTILES)).tolist()),
    )


def _sensitivity(cycles: SettingCycles) -> float:
    """Slope of kicks over onsets."""
    excess = _centred(cycles, "onsets")
    return float(excess @ _centred(cycles, "kicks") / (excess @ excess))


def _residuals(cycles: SettingCycles) -> FloatArray:
    """Kicks about their line over onsets, over their standard deviation."""
    kicks = _centred(cycles, "kicks")
    return np.asarray((kicks - _sensitivity(cycles) * _centred(cycles, "onsets")) / kicks.std())


def _first_reach(cycles: SettingCycles) -> FloatArray:
    return np.asarray(cycles.all("first_onset") + cycles.all("first_kick"))


def _centred(cycles: SettingCycles, name: str) -> FloatArray:
    values = cycles.all(name)
    return np.asarray(values - values.mean())


def _variation(cycles: SettingCycles) -> float:
    return _spread(cycles.all("lengths"))


def _spread(values: FloatArray) -> float:
    """Standard deviation over mean."""
    return float(values.std() / values.mean()) if values.mean() else 0.0


def _growth(cycles: SettingCycles) -> float:
    return float(np.nanmean(cycles.all("growth")))


def _error(
    settings: list[SettingCycles], line: LogLine, quantity: Callable[[SettingCycles], float]
) -> float:
    """Standard deviation of settings about a line with two free numbers; 0 for two of them."""
    residuals = [quantity(cycles) - line(cycles.intrinsic_lr) for cycles in settings]
    return float(np.sqrt(np.sum(np.square(residuals)) / max(len(residuals) - 2, 1)))


def _growth_scatter(cycles: SettingCycles) -> float:
    """Standard deviation over runs of ``ln y``, times the root of their mean number of cycles."""
    known = cycles.all("growth")
    known = known[np.isfinite(known)]
    spread = known.std(ddof=1) if len(known) > 1 else float("nan")
    return float(spread * np.sqrt(cycles.n_cycles / len(cycles.runs)))


def _mean(values: Iterable[float]) -> float:
    """Mean of the known values; 0 where there is none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else 0.0


def _log_line(settings: list[SettingCycles], quantity: Callable[[SettingCycles], float]) -> LogLine:
    """Least-squares line in ``ln(eta lam)``; exact for two settings."""
    values = [quantity(cycles) for cycles in settings]
    slope, at_one = np.polyfit([np.log(c.intrinsic_lr) for c in settings], values, 1)
    return LogLine(at_one=float(at_one), slope=float(slope))


def _line_and_steps(
    settings: list[SettingCycles], samples: Callable[[SettingCycles], FloatArray]
) -> tuple[LogLine, float]:
    """A line in ``ln(eta lam)`` plus r times a number of steps, with as few numbers as will do.

    Constant, line, and line with steps are fitted to the means of the settings, each known to its
    standard error and to ``MODEL_ERROR``. That of the smallest ``chi^2 + k ln(n)`` is taken
    (Schwarz 1978, k numbers, n settings), so that noise is not read as a slope.
    """
    found = [samples(cycles) for cycles in settings]
    values = np.array([one.mean() for one in found])
    errors = np.array([one.std() / np.sqrt(len(one)) for one in found])
    weights = 1 / np.hypot(errors, MODEL_ERROR * np.abs(values))
    columns = np.array([[1.0, np.log(c.intrinsic_lr), c.rate] for c in settings])
    best, least = np.zeros(3), np.inf
    for n_numbers in (1, 2, 3) if len(settings) >= SETTINGS_FOR_RECOVERY else (2,):
        scaled = columns[:, :n_numbers] * weights[:, None]
        numbers = np.linalg.lstsq(scaled, values * weights, rcond=None)[0]
        score = np.sum((scaled @ numbers - values * weights) ** 2)
        score += n_numbers * np.log(len(settings))
        if score < least:
            best, least = np.append(numbers, np.zeros(3 - n_numbers)), score
    return LogLine(at_one=float(best[0]), slope=float(best[1])), float(best[2])


def _loss_law(chosen: xr.Dataset) -> tuple[float, float]:
    """Fit ``L = c g^p`` over all calibration steps, as the line of equal standing in logs.

    Both quantities scatter, so the slope is the ratio of their standard deviations (reduced
    major axis) and not a regression of one on the other.
    """
    loss, g = chosen["train_loss"].values.ravel(), chosen["effective_grad_norm"].values.ravel()
    valid = (loss > 0) & (g > 0)
    log_loss, log_g = np.log(loss[valid]), np.log(g[valid])
    exponent = float(log_loss.std() / log_g.std())
    return float(np.exp(log_loss.mean() - exponent * log_g.mean())), exponent
