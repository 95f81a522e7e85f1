"""Tables as data, and their cells: numbers as text that knows how to be sorted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from theory.vocabulary import VARIABLES

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


def verdict(holds: bool) -> Cell:
    """Whether something holds: by sign, word and colour."""
    role = "holds" if holds else "fails"
    return Cell(f"{'✓' if holds else '✗'} {role}", value=float(holds), role=role)


def setting_name(setting: xr.Dataset) -> str:
    """The variant of a setting, or its rate and decay."""
    variant = str(setting["variant"].values)
    numbers = f"η = {float(setting['learning_rate']):g}, λ = {float(setting['weight_decay']):g}"
    return variant or numbers


def each_setting(settings: xr.Dataset) -> list[xr.Dataset]:
    """The settings one by one."""
    return [settings.isel(setting=i) for i in range(settings.sizes["setting"])]


def intrinsic_cell(setting: xr.Dataset) -> Cell:
    """``eta lam`` of a setting, to two digits."""
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


# scores that count something
COUNTS = ("n_runs", "total_steps", "n_periodic", "n_jumps", "n_held_out", "n_extrapolated")


def score(name: str, value: float) -> Cell:
    """A score as it is printed, with its unit if that is per cent."""
    if not np.isfinite(value):
        return number(value)
    if name in COUNTS:
        return count(int(value))
    if VARIABLES[name].units != "%":
        return number(value)
    digits = 1 if value < 10 else 0
    return Cell(f"{value:.{digits}f} %", value=value)
