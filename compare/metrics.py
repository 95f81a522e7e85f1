"""What the comparison holds, as data; aggregation over seeds; errors of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.config import NO_JUMPS
from theory import trajectory


@dataclass(frozen=True)
class Metric:
    """An observable of a run or a study: how it is labelled and what it should be.

    Attributes:
        long_name: label in tables and figures.
        units: unit.
        symbol: symbol of the field, if it has one.
        perfect: value that theory demands, or that a perfect prediction has; None for neither.
        low: smallest value that passes a law check; None where it is no check.
        high: largest value that passes.
        reason: why a law check allows what it does.
    """

    long_name: str
    units: str = "1"
    symbol: str = ""
    perfect: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """Long name, symbol and unit, as tables and axes carry them."""
        symbol = f" {self.symbol}" if self.symbol else ""
        return self.long_name + symbol + ("" if self.units == "1" else f" [{self.units}]")


ROUNDING = (
    "exact in every step; what is left is float32 rounding of weights and gradients, and the ε of "
    "batch norm, which breaks scale invariance a little"
)

METRICS: dict[str, Metric] = {
    "n_jumps": Metric("jumps"),
    "n_cycles": Metric("complete cycles"),
    "first_jump": Metric("first jump", "steps"),
    "period": Metric("mean period", "steps", "T"),
    "period_std": Metric("spread of single periods", "steps"),
    "period_low": Metric("5 % of single periods are shorter", "steps"),
    "period_high": Metric("5 % of single periods are longer", "steps"),
    "period_error": Metric("standard error of the mean period, from resampled seeds", "steps"),
    "effective_lr_before_jump": Metric("effective lr before a jump"),
    "effective_lr_after_jump": Metric("effective lr after a jump"),
    "equilibrium_norm": Metric("equilibrium norm", symbol="ρ*"),
    "equilibrium_effective_lr": Metric("effective lr at rest", symbol="η/ρ*²"),
    "fixed_effective_lr": Metric("fixed effective lr", symbol="η/ρ²"),
    "regime_border_low": Metric("ηλ below which nothing is at rest"),
    "regime_border_high": Metric("ηλ above which the norm finds a rest"),
    "mean_squared_g": Metric("mean squared effective gradient", symbol="⟨g²⟩"),
    "late_train_loss": Metric("mean loss of the last quarter", "nats"),
    "late_effective_grad_norm": Metric("mean effective gradient norm of the last quarter"),
    "decay_rate_ratio": Metric(
        "phase-A decay rate over ηλ",
        perfect=1.0,
        low=0.97,
        high=1.03,
        reason="gradients are small in phase A, not zero: 3 % of the decay are left to them",
    ),
    "log_balance_ratio": Metric(
        "growth over decay of the log norm",
        perfect=1.0,
        low=0.97,
        high=1.03,
        reason="exactly 1 only where the norm comes back to its start, which a run of whole "
        "cycles does up to the scatter of their onsets",
    ),
    "norm_law_residual": Metric(
        "residual of the norm law", perfect=0.0, low=0.0, high=3e-5, reason=ROUNDING
    ),
    "elr_law_residual": Metric(
        "residual of the effective-lr law", perfect=0.0, low=0.0, high=3e-5, reason=ROUNDING
    ),
    "angle_law_residual": Metric(
        "residual of the angle law",
        perfect=0.0,
        low=0.0,
        high=1e-3,
        reason="float32 directions know an angle to 1e-7, and angles below 1e-4 count as that",
    ),
    "jump_agreement": Metric(
        "agreement of the jump criterion",
        perfect=1.0,
        low=0.999,
        high=1.0,
        reason="a step within rounding of the threshold may fall on either side of it",
    ),
    "regime": Metric("regime"),
    "regime_probability": Metric("probability of the regime"),
    "calibrated_on": Metric("runs that the prediction was calibrated on"),
    "stability_before_jump": Metric(
        "effective lr times sharpness before the first jump", symbol="S η/ρ²"
    ),
    "gradient_exponent": Metric("exponent of g(L)"),
    "gradient_coefficient": Metric("g at L = 1"),
    "sharpness_exponent": Metric("exponent of S(L)"),
    "sharpness_coefficient": Metric("S at L = 1"),
    "direction_error": Metric("distance of directions from the twin's", symbol="|u − u′|"),
    "first_direction_error": Metric("distance of directions at the first evaluation", perfect=0.0),
    "parted_step": Metric("twins parted by more than 0.05", "steps"),
    "cycle_landing": Metric("start of phase A", "steps"),
    "cycle_turn": Metric("start of phase B", "steps"),
    "cycle_onset": Metric("start of phase C", "steps"),
    "phase_a_share": Metric("share of phase A"),
    "phase_b_share": Metric("share of phase B"),
    "phase_c_share": Metric("share of phase C"),
    "minimum_step": Metric("step of the minimum", "steps"),
    "minimum_train_loss": Metric("training loss at the minimum", "nats"),
    "minimum_test_error": Metric("test error at the minimum"),
    "successive_cosine": Metric("cosine of successive minima"),
    "independent_cosine": Metric("cosine of minima of independent runs"),
    "successive_disagreement": Metric("disagreement of successive minima"),
    "independent_disagreement": Metric("disagreement of minima of independent runs"),
    "successive_ensemble_error": Metric("test error of the first minima of a run together"),
    "first_ensemble_error": Metric("test error of first minima of independent runs together"),
    "last_ensemble_error": Metric("test error of last minima of independent runs together"),
    "last_minimum_error": Metric("test error of the last minimum"),
    "best_minimum_error": Metric("test error of the minimum of lowest training loss"),
    # of a whole study, see compare.scores
    "n_runs": Metric("runs"),
    "n_steps": Metric("steps in all"),
    "n_periodic": Metric("periodic runs"),
    "largest_residual": Metric("largest residual of the norm law in any step", perfect=0.0),
    "share_as_expected": Metric("runs in the regime that the study expects", "%", perfect=100.0),
    "n_held_out": Metric("held-out periodic settings"),
    "model_error": Metric("error of the predicted mean period, median", "%", perfect=0.0),
    "largest_model_error": Metric("error of the predicted mean period, largest", "%", perfect=0.0),
    "baseline_error": Metric("error of the baseline T ηλ = const, median", "%", perfect=0.0),
    "power_law_error": Metric("error of a power law without theory, median", "%", perfect=0.0),
    "uncertainty": Metric("standard error of a measured mean period, median", "%"),
    "coverage": Metric("single periods inside the predicted 90 % interval", "%", perfect=90.0),
    "regime_right": Metric("held-out runs in the predicted regime", "%", perfect=100.0),
}

PREFIXES = {
    "predicted_": "predicted ",
    "expected_": "expected ",
    "process_": "hazard process: ",
    "sphere_": "laws on the sphere: ",
    "baseline_": "baseline ",
    "power_law_": "power law of the ",
    "reason_": "why not: ",
}


SETTING_COORDINATES = ("learning_rate", "weight_decay", "momentum", "variant")
SOURCES = {
    "predicted_": "theory",
    "expected_": "theory",
    "process_": "theory",
    "sphere_": "theory",
    "baseline_": "baseline",
    "power_law_": "baseline",
}


def describe(comparison: xr.Dataset) -> xr.Dataset:
    """Give every variable of the comparison units, long name, symbol and source."""
    trajectory.describe(comparison, "network")
    for name in comparison.data_vars:
        prefix = next((p for p in PREFIXES if str(name).startswith(p)), "")
        metric = METRICS[_observable(str(name))]
        comparison[name].attrs = {
            "long_name": PREFIXES.get(prefix, "") + metric.long_name,
            "units": "1" if prefix == "reason_" else metric.units,
            "symbol": metric.symbol,
            "source": SOURCES.get(prefix, "network"),
        }
    return comparison


def _observable(name: str) -> str:
    """Name of the observable that a variable is a prediction of, or a reason for."""
    for prefix in ("reason_", *PREFIXES):
        name = name.removeprefix(prefix)
    return name


def by_setting(comparison: xr.Dataset) -> xr.Dataset:
    """Aggregate over seeds: mean, standard error over seeds and most frequent regime.

    Returns:
        A Dataset on ``setting`` (a readable id, ordered by ``intrinsic_lr``, or as the runs are
        where settings have variants) with every numeric
        variable averaged over the seeds that have it, ``<name>_std`` and ``<name>_sem`` over
        these seeds, ``regime``, ``n_seeds`` and ``role``. ``period`` is the mean over all cycles
        of all seeds.
    """
    groups = comparison.groupby(setting_ids(comparison))
    position = {str(run): i for i, run in enumerate(comparison["run"].values)}
    varied = bool((comparison["variant"] != "").any())

    def order(summary: xr.Dataset) -> float:
        place = position[str(summary["first_run"].values)]
        return place if varied else float(summary["intrinsic_lr"])

    rows = sorted((_summary(str(name), runs) for name, runs in groups), key=order)
    return xr.concat(rows, dim="setting", data_vars="all", coords="minimal", join="exact")


def setting_ids(comparison: xr.Dataset) -> xr.DataArray:
    """Id of each run's setting, along ``run``."""
    names = [
        trajectory.setting_id(lr, wd, momentum=momentum, variant=str(variant))
        for lr, wd, momentum, variant in zip(
            *(comparison[name].values for name in SETTING_COORDINATES), strict=True
        )
    ]
    return xr.DataArray(names, {"run": comparison["run"]}, ["run"], name="setting")


def _summary(name: str, runs: xr.Dataset) -> xr.Dataset:
    """One setting: means over its seeds."""
    values: dict[str, float | str] = {
        "n_seeds": float(runs.sizes["run"]),
        "n_as_expected": float(as_expected(runs).sum()),
        "role": str(runs["role"].values[0]),
        "regime": most_common(runs["regime"].values),
        "expected_regime": str(runs["expected_regime"].values[0]),
        "variant": str(runs["variant"].values[0]),
        "first_run": str(runs["run"].values[runs["seed"].values.argmin()]),
    }
    for coordinate in ("learning_rate", "weight_decay", "intrinsic_lr"):
        values[coordinate] = float(runs[coordinate][0])
    for name_, variable in runs.data_vars.items():
        if variable.dtype.kind != "f" or variable.dims != ("run",):
            continue
        known = variable.values[np.isfinite(variable.values)]
        values[str(name_)] = float(known.mean()) if len(known) else float("nan")
        spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
        values[f"{name_}_std"] = spread
        values[f"{name_}_sem"] = spread / np.sqrt(len(known)) if len(known) else spread
    cycles = runs["n_cycles"].where(runs["period"].notnull(), 0)
    if float(cycles.sum()) > 0:
        values["period"] = float((runs["period"].fillna(0) * cycles).sum() / cycles.sum())
    if "predicted_regime" in runs:
        values["predicted_regime"] = most_common(runs["predicted_regime"].values)
    return xr.Dataset(values).assign_coords(setting=name)


def as_expected(comparison: xr.Dataset) -> xr.DataArray:
    """Whether each run is as theory says, (n_runs,); ``no jumps`` says just that."""
    still = (comparison["expected_regime"] == NO_JUMPS) & (comparison["n_jumps"] == 0)
    return still | (comparison["expected_regime"] == comparison["regime"])


def most_common(labels: np.typing.NDArray[np.str_]) -> str:
    """Most frequent label; the first in alphabetical order among equals."""
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()])


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
    low, high = f"{source}_period_low", f"{source}_period_high"
    inside = [
        float(one[low]) <= period <= float(one[high])
        for run, values in periods.items()
        for one in [comparison.sel(run=run)]
        for period in values
    ]
    return float(np.mean(inside)) if inside else float("nan")


def passes(name: str, values: np.typing.NDArray[np.float64]) -> bool:
    """Whether all known values of a law check lie within its tolerance."""
    metric = METRICS[name]
    known = values[np.isfinite(values)]
    low = -np.inf if metric.low is None else metric.low
    high = np.inf if metric.high is None else metric.high
    return bool(len(known) > 0 and ((known >= low) & (known <= high)).all())
