"""Tables of the report, made from the comparison and its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from compare import metrics
from compare.metrics import METRICS
from compare.sphere_laws import LAWS as LAWS_OF_LOSS
from theory.laws import FloatArray
from theory.trajectory import VARIABLES

LAWS = (
    "norm_law_residual",
    "elr_law_residual",
    "angle_law_residual",
    "jump_agreement",
    "log_balance_ratio",
)
SOURCES = {
    "predicted": "kick model",
    "process": "hazard process",
    "baseline": "baseline",
    "power_law": "power law",
}
PREDICTIONS = ("period", "first_jump", "effective_lr_before_jump", "effective_lr_after_jump")

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Cell(str):
    """Text of a table's cell that also knows how to be sorted and coloured.

    Attributes:
        value: the number behind the text, which sorts it; None where there is none.
        role: class of the style sheet, e.g. ``fails`` or ``words``; "" for none.
    """

    value: float | None
    role: str

    def __new__(cls, text: str, *, value: float | None = None, role: str = "") -> Self:
        """Make a cell from its text."""
        made = super().__new__(cls, text)
        made.value = value if value is not None and np.isfinite(value) else None
        made.role = role
        return made


@dataclass(frozen=True)
class Table:
    """A table of the report: heading cells and rows of cells, the first of which names its row.

    Cells are text; what ``number``, ``percent`` and ``verdict`` return sorts as what it means.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


LAW_HEAD = ("theory", "allowed", "verdict", Cell("why that much", role="words"))


def law_table(comparison: xr.Dataset, names: Sequence[str], caption: str) -> Table:
    """Laws with their smallest and largest value over the runs, and whether they hold."""
    rows = []
    for name in names:
        known = comparison[name].values[np.isfinite(comparison[name].values)]
        if len(known):
            span = [number(known.min()), number(known.max())]
            rows.append([METRICS[name].label, count(len(known)), *span, *law_cells(name, known)])
    head = ["law", "runs", "smallest", "largest", *LAW_HEAD]
    return Table(caption, head, rows)


def law_cells(name: str, values: FloatArray) -> list[Cell]:
    """What a law check demands and allows, whether values pass, and why it allows that."""
    metric = METRICS[name]
    low, high = (float("nan") if end is None else end for end in (metric.low, metric.high))
    return [
        number(float("nan") if metric.perfect is None else metric.perfect),
        Cell(f"{number(low)} … {number(high)}", value=high),
        verdict(metrics.passes(name, values)),
        Cell(metric.reason, role="words"),
    ]


def verdict(holds: bool) -> Cell:
    """Whether something holds: by sign, word and colour."""
    role = "holds" if holds else "fails"
    return Cell(f"{'✓' if holds else '✗'} {role}", value=float(holds), role=role)


def expectation_table(settings: xr.Dataset) -> Table:
    """What the study file expects of each setting beside what was measured."""
    rows = []
    for one in each_setting(settings.sel(setting=settings["expected_regime"] != "")):
        regimes = [str(one[name].values) for name in ("expected_regime", "regime")]
        share = one["n_as_expected"].item() / one["n_seeds"].item()
        text = f"{one['n_as_expected'].item():.0f} of {one['n_seeds'].item():.0f}"
        held = Cell(text, value=share)
        numbers = [number(float(one[name])) for name in ("n_jumps", "period")]
        rows.append([setting_name(one), *regimes, held, *numbers])
    known = [METRICS[name].label for name in ("n_jumps", "period")]
    head = ["setting", "expected", "measured", "runs as expected", *known]
    return Table("What the study file expects of each setting", head, rows)


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
    return Table(caption, ["setting", *(METRICS[c].label for c in columns)], rows)


def equilibrium_table(settings: xr.Dataset) -> Table:
    """Level 1: the equilibrium norm from the mean squared gradient."""
    rows = []
    for one in each_setting(settings):
        measured, predicted = (float(one[f"{p}equilibrium_norm"]) for p in ("", "predicted_"))
        if np.isfinite(measured):
            error = percent(predicted / measured - 1)
            rows.append(
                [
                    setting_name(one),
                    _intrinsic(one),
                    str(one["regime"].values),
                    number(measured),
                    number(predicted),
                    error,
                ]
            )
    source = f"from {METRICS['mean_squared_g'].symbol}"
    symbol = VARIABLES["intrinsic_lr"].symbol
    head = ["setting", symbol, "regime", "measured", source, "error"]
    label = METRICS["equilibrium_norm"].label
    return Table(f"Level 1 — {label} from one measured number", head, rows)


def prediction_table(settings: xr.Dataset, name: str) -> Table:
    """Level 2: an observable of the periodic settings beside its predictions."""
    known = {source: title for source, title in SOURCES.items() if f"{source}_{name}" in settings}
    rows = []
    for one in each_setting(settings.sel(setting=settings["regime"] == "periodic")):
        measured, sem = float(one[name]), float(one[f"{name}_sem"])
        row = [_intrinsic(one), str(one["role"].values).replace("_", "-"), number(measured, sem)]
        for source in known:
            value = float(one[f"{source}_{name}"])
            error = one.get(f"{source}_{name}_error")
            said = number(value, None if error is None else float(error))
            row += [said, percent(value / measured - 1)]
        rows.append(row)
    head = [VARIABLES["intrinsic_lr"].symbol, "role", "measured ± s.e."]
    for title in known.values():
        head += [title, "error"]
    return Table(f"Level 2 — {METRICS[name].label}", head, rows)


def run_table(comparison: xr.Dataset) -> Table:
    """Every run in a line."""
    names = ("decay_rate_ratio", "log_balance_ratio", "norm_law_residual")
    rows: list[list[str]] = []
    for run in comparison["run"].values:
        one = comparison.sel(run=run)
        regime = str(one["regime"].values)
        period = float(one["period"]) if regime == "periodic" else float("nan")
        row = [str(run), str(one["role"].values).replace("_", "-"), regime]
        row += [count(int(one["n_jumps"])), number(period)]
        rows.append(row + [number(float(one[name])) for name in names])
    head = ["run", "role"]
    columns = ("regime", "n_jumps", "period", *names)
    return Table("All runs", head + [METRICS[name].label for name in columns], rows)


def setting_name(setting: xr.Dataset) -> str:
    """The variant of a setting, or its rate and decay."""
    variant = str(setting["variant"].values)
    numbers = f"η = {float(setting['learning_rate']):g}, λ = {float(setting['weight_decay']):g}"
    return variant or numbers


def each_setting(settings: xr.Dataset) -> list[xr.Dataset]:
    """The settings one by one."""
    return [settings.isel(setting=i) for i in range(settings.sizes["setting"])]


def _intrinsic(setting: xr.Dataset) -> Cell:
    value = float(setting["intrinsic_lr"])
    return Cell(f"{value:.2g}", value=value)


def count(value: int) -> Cell:
    """A whole number, in full."""
    return Cell(f"{value:,}".replace(",", " "), value=float(value))


def number(value: float, uncertainty: float | None = None) -> Cell:
    """A number with three significant digits, or with the digits that its uncertainty allows.

    A dash for an estimate that was refused.
    """
    return Cell(_digits(float(value), uncertainty), value=float(value))


def _digits(value: float, uncertainty: float | None) -> str:
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


def percent(value: float, *, signed: bool = True) -> Cell:
    """A fraction in per cent, with its sign where it is an error."""
    sign = "+" if signed else ""
    return Cell(f"{100 * value:{sign}.1f} %" if np.isfinite(value) else "–", value=value)
