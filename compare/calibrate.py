"""Fit the kick model to the calibration runs of a study, and to nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import xarray as xr

from theory.jumps import find_jumps
from theory.laws import FloatArray
from theory.reduced import KickModel, LogLine, decay_rate
from theory.trajectory import recorded

MIN_CYCLES_PER_SETTING = 10
SMALLEST_RANGE = 1.5


@dataclass(frozen=True)
class Calibration:
    """The fitted model, its baseline and where they come from.

    Attributes:
        model: the kick model.
        baseline: mean period times ``eta lam``, the constant of the baseline.
        power_law: ``ln(period)`` as a line in ``ln(eta lam)``, the baseline with as many free
            numbers as the model has for the period, and no theory in it.
        runs: ids of the runs that were used.
    """

    model: KickModel
    baseline: float
    power_law: LogLine
    runs: tuple[str, ...]


@dataclass(frozen=True)
class _Cycles:
    """Complete cycles of all seeds of one setting; each array has one entry a cycle.

    Attributes:
        intrinsic_lr: eta lam of the setting.
        lengths: steps from onset to onset.
        onsets: ``ln(elr)`` at the first onset of each cycle.
        drops: fall of ``ln(elr)`` from that onset to the landing.
        kicks: growth of ``ln(rho^2)`` over the cycle.
        first_onsets: ``ln(elr)`` there, (n_runs,).
        first_kicks: growth of ``ln(rho^2)`` until there, (n_runs,).
    """

    intrinsic_lr: float
    lengths: FloatArray
    onsets: FloatArray
    drops: FloatArray
    kicks: FloatArray
    first_onsets: FloatArray
    first_kicks: FloatArray


def calibrate(trajectories: xr.Dataset, calibration_runs: list[str]) -> Calibration:
    """Fit the kick model.

    Args:
        trajectories: trajectories of networks; only the named runs are looked at.
        calibration_runs: ids of the runs to fit.

    Returns:
        The model with the ids of the runs it was fitted to.

    Raises:
        ValueError: if the runs have fewer than two values of ``eta lam``, or one of them has
            fewer than ``MIN_CYCLES_PER_SETTING`` cycles.
    """
    chosen = trajectories.sel(run=calibration_runs)
    values = np.sort(np.unique(chosen["intrinsic_lr"].values))
    if len(values) < 2 or values[-1] < SMALLEST_RANGE * values[0]:
        raise ValueError(
            "calibration needs runs at two or more values of eta*lam at least a factor "
            f"{SMALLEST_RANGE} apart, got {', '.join(f'{value:g}' for value in values)}"
        )
    settings = [_cycles(chosen.sel(run=chosen["intrinsic_lr"] == value)) for value in values]
    for cycles in settings:
        if len(cycles.lengths) < MIN_CYCLES_PER_SETTING:
            raise ValueError(
                f"calibration at eta*lam = {cycles.intrinsic_lr:g} has {len(cycles.lengths)} "
                f"complete cycles, {MIN_CYCLES_PER_SETTING} needed; train longer"
            )
    return Calibration(
        model=_fit(settings, chosen),
        baseline=float(np.mean([c.lengths.mean() * c.intrinsic_lr for c in settings])),
        power_law=_log_line(settings, np.log([c.lengths.mean() for c in settings])),
        runs=tuple(calibration_runs),
    )


def model_from_json(text: str) -> KickModel:
    """The kick model that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    try:
        values = json.loads(text)["model"]
        lines = {name: LogLine(**values[name]) for name in ("kick", "onset")}
        return KickModel(**{**values, **lines})
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("no calibrated model of this version is there") from error


def _cycles(runs: xr.Dataset) -> _Cycles:
    """Collect the complete cycles of the runs of one setting."""
    intrinsic_lr = float(runs["intrinsic_lr"][0])
    rate = decay_rate(intrinsic_lr)
    columns: list[list[FloatArray]] = [[] for _ in range(6)]
    for run in runs["run"].values:
        log_elr = np.log(recorded(runs, run, "effective_lr"))
        jumps = find_jumps(log_elr)
        if len(jumps.onsets) == 0:
            continue
        at_onset, gaps = log_elr[jumps.onsets], np.diff(jumps.onsets).astype(float)
        first = jumps.onsets[:1]
        collected = (
            gaps,
            at_onset[:-1],
            at_onset[:-1] - log_elr[jumps.landings[: len(gaps)]],
            rate * gaps - np.diff(at_onset),
            at_onset[:1],
            rate * first - (at_onset[:1] - log_elr[0]),
        )
        for column, values in zip(columns, collected, strict=True):
            column.append(values)
    joined = [np.concatenate(column) if column else np.empty(0) for column in columns]
    return _Cycles(intrinsic_lr, *joined)


def _fit(settings: list[_Cycles], chosen: xr.Dataset) -> KickModel:
    """Estimate every parameter of the kick model."""
    rates = np.array([decay_rate(c.intrinsic_lr) for c in settings])
    kicks = rates * [c.lengths.mean() for c in settings]
    drops = np.array([c.drops.mean() for c in settings])
    # the landing lies (sqrt(K + r s0) - sqrt(r s0))^2 below the onset
    kick_times = np.maximum(kicks - drops, 1e-3) ** 2 / (4 * drops * rates)
    excess = np.concatenate([c.onsets - c.onsets.mean() for c in settings])
    kick_excess = np.concatenate([c.kicks - c.kicks.mean() for c in settings])
    sensitivity = float(excess @ kick_excess / (excess @ excess))
    loss_at_unit_gradient, loss_exponent = _loss_law(chosen)
    return KickModel(
        kick=_log_line(settings, kicks),
        onset=_log_line(settings, np.array([c.onsets.mean() for c in settings])),
        kick_time=float(np.exp(np.log(kick_times).mean())),
        period_variation=float(np.mean([c.lengths.std() / c.lengths.mean() for c in settings])),
        sensitivity=sensitivity,
        kick_scatter=float((kick_excess - sensitivity * excess).std()),
        initial_norm=float(chosen["weight_norm"].isel(step=0).mean()),
        first_kick=float(np.mean([c.first_kicks.mean() for c in settings])),
        first_onset=float(np.mean([c.first_onsets.mean() for c in settings])),
        loss_at_unit_gradient=loss_at_unit_gradient,
        loss_exponent=loss_exponent,
    )


def _log_line(settings: list[_Cycles], values: FloatArray) -> LogLine:
    """Least-squares line in ``ln(eta lam)``; exact for two settings."""
    slope, at_one = np.polyfit([np.log(c.intrinsic_lr) for c in settings], values, 1)
    return LogLine(at_one=float(at_one), slope=float(slope))


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
