"""Tables of the report, made from the comparison and its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare import metrics
from compare.metrics import METRICS
from compare.sphere_laws import LAWS as LAWS_OF_LOSS

LAWS = (
    "norm_law_residual",
    "elr_law_residual",
    "angle_law_residual",
    "jump_agreement",
    "log_balance_ratio",
)
PREDICTIONS = ("period", "first_jump", "effective_lr_before_jump", "effective_lr_after_jump")

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Table:
    """A table of the report: heading cells and rows of cells."""

    caption: str
    head: list[str]
    rows: list[list[str]]


def law_table(comparison: xr.Dataset, names: Sequence[str], caption: str) -> Table:
    """Laws with their smallest and largest value over the runs, and whether they hold."""
    rows = []
    for name in names:
        values = comparison[name].values
        known = values[np.isfinite(values)]
        if len(known) == 0:
            continue
        metric = METRICS[name]
        verdict = "holds" if metrics.passes(name, known) else "fails"
        span = [number(known.min()), number(known.max())]
        allowed = f"{metric.low:g} … {metric.high:g}"
        rows.append([metric.long_name, str(len(known)), *span, allowed, verdict])
    head = ["law", "runs", "smallest", "largest", "allowed", "verdict"]
    return Table(caption, head, rows)


def expectation_table(settings: xr.Dataset) -> Table:
    """What theory says of each setting beside what was measured."""
    rows = []
    for one in each_setting(settings.sel(setting=settings["expected_regime"] != "")):
        regimes = [str(one[name].values) for name in ("expected_regime", "regime")]
        held = f"{one['n_as_expected'].item():.0f} of {one['n_seeds'].item():.0f}"
        numbers = [number(float(one[name])) for name in ("n_jumps", "period")]
        rows.append([setting_name(one), *regimes, held, *numbers])
    head = ["setting", "theory", "measured", "runs as said", "jumps a run", "mean period [steps]"]
    return Table("What theory says of each setting", head, rows)


def twin_table(settings: xr.Dataset) -> Table:
    """How close the directions of twins are at the start, and when they part."""
    columns = ("first_direction_error", "parted_step", "first_jump")
    caption = "Level 0 — twins, which theory says to take the same path of directions"
    return _means(settings, columns, caption)


def stability_table(settings: xr.Dataset) -> Table:
    """The product that decides stability, just before the first jump."""
    columns = ("stability_before_jump", "first_jump")
    return _means(settings, columns, "Stability — full-batch descent destabilises at 2")


def law_fit_table(settings: xr.Dataset) -> Table:
    """Gradient and sharpness as power laws of the loss."""
    columns = [f"{law}_{what}" for law in LAWS_OF_LOSS for what in ("exponent", "coefficient")]
    caption = "Laws of the reduced model — g and S as powers of the loss on fixed examples"
    return _means(settings, columns, caption)


def _means(settings: xr.Dataset, columns: Sequence[str], caption: str) -> Table:
    """Means over seeds with their standard errors, of settings that have the first column."""
    rows = [
        [setting_name(one), *(number(float(one[c]), float(one[f"{c}_sem"])) for c in columns)]
        for one in each_setting(settings)
        if np.isfinite(float(one[columns[0]]))
    ]
    heads = [METRICS[c] for c in columns]
    units = ["" if one.units == "1" else f" [{one.units}]" for one in heads]
    names = [one.long_name + unit for one, unit in zip(heads, units, strict=True)]
    return Table(caption, ["setting", *names], rows)


def equilibrium_table(settings: xr.Dataset) -> Table:
    """Level 1: the equilibrium norm from the mean squared gradient."""
    rows = []
    for one in each_setting(settings):
        measured, predicted = (float(one[f"{p}equilibrium_norm"]) for p in ("", "predicted_"))
        if np.isfinite(measured):
            error = percent(predicted / measured - 1)
            rows.append(
                [
                    _intrinsic(one),
                    str(one["regime"].values),
                    number(measured),
                    number(predicted),
                    error,
                ]
            )
    head = ["ηλ", "regime", "measured", "from ⟨g²⟩", "error"]
    return Table("Level 1 — equilibrium norm ρ* from one measured number", head, rows)


def prediction_table(settings: xr.Dataset, name: str) -> Table:
    """Level 2: an observable of the periodic settings beside its predictions."""
    metric = METRICS[name]
    sources = {"predicted": "kick model", "baseline": "baseline", "power_law": "power law"}
    known = {source: title for source, title in sources.items() if f"{source}_{name}" in settings}
    rows = []
    for one in each_setting(settings.sel(setting=settings["regime"] == "periodic")):
        measured, sem = float(one[name]), float(one[f"{name}_sem"])
        row = [_intrinsic(one), str(one["role"].values).replace("_", "-"), number(measured, sem)]
        for source in known:
            value = float(one[f"{source}_{name}"])
            row += [number(value), percent(value / measured - 1)]
        rows.append(row)
    head = ["ηλ", "role", "measured ± s.e."]
    for title in known.values():
        head += [title, "error"]
    unit = "" if metric.units == "1" else f" [{metric.units}]"
    return Table(f"Level 2 — {metric.long_name}{unit}", head, rows)


def run_table(comparison: xr.Dataset) -> Table:
    """Every run in a line."""
    names = ("decay_rate_ratio", "log_balance_ratio", "norm_law_residual")
    rows = []
    for run in comparison["run"].values:
        one = comparison.sel(run=run)
        regime = str(one["regime"].values)
        period = float(one["period"]) if regime == "periodic" else float("nan")
        row = [str(run), str(one["role"].values).replace("_", "-"), regime]
        row += [str(int(one["n_jumps"])), number(period)]
        rows.append(row + [number(float(one[name])) for name in names])
    head = ["run", "role", "regime", "jumps", "mean period [steps]"]
    return Table("All runs", head + [METRICS[name].long_name for name in names], rows)


def setting_name(setting: xr.Dataset) -> str:
    """The variant of a setting, or its rate and decay."""
    variant = str(setting["variant"].values)
    numbers = f"η = {float(setting['learning_rate']):g}, λ = {float(setting['weight_decay']):g}"
    return variant or numbers


def each_setting(settings: xr.Dataset) -> list[xr.Dataset]:
    """The settings one by one."""
    return [settings.isel(setting=i) for i in range(settings.sizes["setting"])]


def _intrinsic(setting: xr.Dataset) -> str:
    return f"{float(setting['intrinsic_lr']):.2g}"


def number(value: float, uncertainty: float | None = None) -> str:
    """A number with three significant digits, or with the digits that its uncertainty allows.

    A dash for an estimate that was refused.
    """
    if not np.isfinite(value):
        return "–"
    if uncertainty is not None and uncertainty > 0 and abs(value) >= 1e-2:
        digits = max(0, 1 - int(np.floor(np.log10(uncertainty))))
        return f"{value:.{digits}f} ± {uncertainty:.{digits}f}"
    if value == 0:
        return "0"
    if 1e-2 <= abs(value) < 1e5:
        digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
        return f"{value:.{digits}f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"


def percent(value: float) -> str:
    """A signed fraction in per cent."""
    return f"{100 * value:+.1f} %" if np.isfinite(value) else "–"
