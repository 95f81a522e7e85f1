"""What only some studies have, setting by setting: expectations, twins, sharpness, equilibria."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compare.measure.laws import loss_laws
from compare.report.tables.cells import (
    Cell,
    Table,
    each_setting,
    intrinsic_cell,
    number,
    percent,
    setting_name,
)
from theory.vocabulary import VARIABLES


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
    known = [VARIABLES[name].label for name in ("n_jumps", "period")]
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
    columns = [f"{law}_{what}" for law in loss_laws.LAWS for what in ("exponent", "coefficient")]
    caption = "Laws of the reduced model — g and S as powers of the loss on fixed examples"
    return _means(settings, columns, caption)


def _means(settings: xr.Dataset, columns: Sequence[str], caption: str) -> Table:
    """Means over seeds with their standard errors, of settings that have the first column."""
    rows = [
        [setting_name(one), *(number(float(one[c]), float(one[f"{c}_sem"])) for c in columns)]
        for one in each_setting(settings)
        if np.isfinite(float(one[columns[0]]))
    ]
    return Table(caption, ["setting", *(VARIABLES[c].label for c in columns)], rows)


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
                    intrinsic_cell(one),
                    str(one["regime"].values),
                    number(measured),
                    number(predicted),
                    error,
                ]
            )
    source = f"from {VARIABLES['mean_squared_g'].symbol}"
    symbol = VARIABLES["intrinsic_lr"].symbol
    head = ["setting", symbol, "regime", "measured", source, "error"]
    label = VARIABLES["equilibrium_norm"].label
    return Table(f"Level 1 — {label} from one measured number", head, rows)
