"""Tables that say which model predicts what, and how well."""

import numpy as np
import xarray as xr

from compare.measure import over_seeds
from compare.predict import scores
from compare.predict.errors import interval_coverage
from compare.published import values
from compare.report.tables.cells import (
    Cell,
    Table,
    count,
    each_setting,
    intrinsic_cell,
    number,
    percent,
    setting_name,
)
from compare.report.tables.predictions import SOURCES

MODELS = ("predicted", "process", "power_law", "baseline")


def extrapolation_table(settings: xr.Dataset) -> Table:
    """Slow settings predicted from ten times faster ones: the forecast, beside no theory."""
    rows = []
    for one in each_setting(settings):
        said, measured = float(one["extrapolated_period"]), float(one["period"])
        if not (np.isfinite(said) and np.isfinite(measured)):
            continue
        simple = [
            percent(float(one[f"extrapolated_{name}_period"]) / measured - 1)
            if f"extrapolated_{name}_period" in one
            else Cell("–")
            for name in ("power_law", "baseline")
        ]
        others = [
            percent(float(one[f"extrapolated_{name}"] / one[name]) - 1)
            for name in ("first_jump", "effective_lr_before_jump", "effective_lr_after_jump")
        ]
        rows.append(
            [
                intrinsic_cell(one),
                number(measured, float(one["period_sem"])),
                number(said, float(one["extrapolated_period_error"])),
                percent(said / measured - 1),
                *simple,
                *others,
            ]
        )
    head = [
        "ηλ",
        "period measured ± s.e.",
        "forecast ± its own",
        "error",
        "power law",
        "T ηλ = const",
        "first jump",
        "elr before a jump",
        "elr after it",
    ]
    return Table("Slow settings, forecast from settings at least ten times faster", head, rows)


def score_table(settings: xr.Dataset) -> Table:
    """Error of each model's mean period, setting by setting, with the winner of each."""
    chosen = settings.sel(setting=held_out(settings))
    models = [name for name in MODELS if f"{name}_period" in settings]
    rows = []
    for one in each_setting(chosen):
        errors = _errors(one, models)
        known = percent(float(one["period_sem"] / one["period"]), signed=False)
        cells = [percent(errors[name]) for name in models]
        closest = SOURCES[min(errors, key=lambda name: abs(errors[name]))]
        rows.append([number(float(one["intrinsic_lr"])), *cells, closest, known])
    head = ["ηλ", *(SOURCES[name] for name in models), "closest", "measured to"]
    return Table("Error of the predicted mean period of held-out settings", head, rows)


def winner_table(settings: xr.Dataset) -> Table:
    """Each model over all settings: median and largest error, and how often it is closest."""
    chosen = settings.sel(setting=held_out(settings))
    models = [name for name in MODELS if f"{name}_period" in settings]
    errors = [_errors(one, models) for one in each_setting(chosen)]
    closest = [min(one, key=lambda name: abs(one[name])) for one in errors]
    rows = []
    for name in models:
        sizes = [abs(one[name]) for one in errors]
        median, worst = (percent(float(f(sizes)), signed=False) for f in (np.median, np.max))
        rows.append([SOURCES[name], median, worst, f"{closest.count(name)} of {len(errors)}"])
    head = ["model", "median error", "largest error", "closest in"]
    return Table("Who predicts the mean period best", head, rows)


def _errors(setting: xr.Dataset, models: list[str]) -> dict[str, float]:
    return {name: float(setting[f"{name}_period"] / setting["period"]) - 1 for name in models}


def interval_table(settings: xr.Dataset, comparison: xr.Dataset) -> Table:
    """Share of single held-out periods inside the 90 % interval of each model."""
    periods = scores.single_periods(_held_out_runs(comparison))
    rows = []
    for one in each_setting(settings.sel(setting=held_out(settings))):
        same = over_seeds.setting_ids(comparison).values == str(one["setting"].values)
        runs = [str(run) for run in comparison["run"].values[same] if str(run) in periods]
        own = {run: periods[run] for run in runs}
        inside = [
            interval_coverage(comparison, own, source=name) for name in ("predicted", "process")
        ]
        rows.append(
            [
                number(float(one["intrinsic_lr"])),
                count(sum(map(len, own.values()))),
                *(percent(share, signed=False) for share in inside),
                f"{number(float(one['predicted_period_low']))} … "
                f"{number(float(one['predicted_period_high']))}",
            ]
        )
    head = ["ηλ", "periods", "inside, kick model", "inside, hazard process", "interval [steps]"]
    return Table("Single periods inside the predicted 90 % interval", head, rows)


def first_jump_table(settings: xr.Dataset) -> Table:
    """The first jump beside what the laws on the sphere say."""
    rows = []
    for one in each_setting(settings):
        predicted, measured = float(one["sphere_first_jump"]), float(one["first_jump"])
        if np.isfinite(predicted):
            rows.append(
                [
                    setting_name(one),
                    number(float(one["intrinsic_lr"])),
                    number(measured, float(one["first_jump_sem"])),
                    number(predicted),
                    percent(predicted / measured - 1),
                ]
            )
    head = ["setting", "ηλ", "measured ± s.e. [steps]", "from the sphere [steps]", "error"]
    return Table("The first jump, from laws measured where nothing jumps", head, rows)


def equilibrium_table(settings: xr.Dataset) -> Table:
    """The equilibrium beside what training at a fixed norm says, and the published one."""
    rows = []
    for one in each_setting(settings):
        low, high = (float(one[f"sphere_regime_border_{end}"]) for end in ("low", "high"))
        if not np.isfinite(high):
            continue
        intrinsic_lr, rate = float(one["intrinsic_lr"]), float(one["learning_rate"])
        said = "no rest" if intrinsic_lr < low else "at the border"
        measured, predicted = (
            rate / float(one[f"{prefix}equilibrium_norm"]) ** 2 for prefix in ("", "sphere_")
        )
        resting_measured = str(one["regime"].values) == "equilibrium"
        rows.append(
            [
                setting_name(one),
                number(intrinsic_lr),
                str(one["regime"].values),
                "equilibrium" if intrinsic_lr >= high else said,
                number(measured if resting_measured else np.nan),
                number(predicted),
                percent(predicted / measured - 1 if resting_measured else np.nan),
            ]
        )
    if rows:
        known, theory = values.PERIODS[1.0].elr, values.PREDICTED_EQUILIBRIUM_ELR
        numbers = [number(known), number(theory), percent(theory / known - 1)]
        name = "published: ConvNet, width 32, η = 1"
        rows.append([name, number(values.WEIGHT_DECAY), "equilibrium", "–", *numbers])
    head = ["setting", "ηλ", "regime", "from the sphere", "elr at rest", "from the sphere", "error"]
    caption = "The equilibrium, from gradients at a fixed norm"
    if rows:
        ends = (
            number(float(settings[f"sphere_regime_border_{end}"].max())) for end in ("low", "high")
        )
        caption += "; rest begins at ηλ = {} … {}".format(*ends)
    return Table(caption, head, rows)


def calibration_table(calibration: xr.Dataset) -> Table:
    """The numbers of every law with their uncertainty."""
    rows = [
        [name, number(float(value)), number(float(error))]
        for name, value, error in zip(
            calibration["parameter"].values,
            calibration["value"].values,
            calibration["standard_error"].values,
            strict=True,
        )
    ]
    caption = "The calibrated laws: prior and runs together"
    return Table(caption, ["number", "value", "standard deviation"], rows)


def held_out(settings: xr.Dataset) -> np.typing.NDArray[np.bool_]:
    """Held-out periodic settings with a measured and a predicted period."""
    chosen = (settings["role"] == "held_out") & (settings["regime"] == "periodic")
    known = np.isfinite(settings["period"]) & np.isfinite(settings["predicted_period"])
    return np.asarray((chosen & known).values)


def _held_out_runs(comparison: xr.Dataset) -> xr.Dataset:
    return comparison.isel(run=(comparison["role"] == "held_out").values)
