"""Published values beside measured ones, where a study matches a published one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from compare.published import values as published
from compare.report.tables.cells import Table, number, setting_name
from theory.trajectory import setting_of
from theory.vocabulary import VARIABLES

QUANTITIES = (
    "n_jumps",
    "first_jump",
    "period",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
    "decay_rate_ratio",
    "equilibrium_norm",
    "equilibrium_effective_lr",
)


def tables(comparison: xr.Dataset, settings: xr.Dataset, config: Mapping[str, Any]) -> list[Table]:
    """Measured beside published beside theory; empty tables where nothing matches."""
    known = published.periods(settings, config)
    rows = [
        row
        for name in known["setting"].values
        for row in _rows(comparison, settings.sel(setting=name), known.sel(setting=name), config)
    ]
    head = ["setting", "quantity", "measured ± s.e.", "published", "theory"]
    periods = Table("Measured beside published (Lobacheva et al. 2021) beside theory", head, rows)
    return [periods, _sphere_table(comparison, config)]


def _rows(
    comparison: xr.Dataset, measured: xr.Dataset, known: xr.Dataset, config: Mapping[str, Any]
) -> list[list[str]]:
    """The quantities of one setting that were published."""
    named, measured = setting_name(measured), _with_elr_at_rest(measured)
    regimes = [str(measured["regime"].values), str(known["published_regime"].values)]
    theory = str(measured["predicted_regime"].values) if "predicted_regime" in measured else "–"
    rows = [[named, "regime", *regimes, theory]]
    for name in QUANTITIES:
        value = float(known[f"published_{name}"])
        if not np.isfinite(value):
            continue
        metric = VARIABLES[name]
        unit = "" if metric.units == "1" else f" [{metric.units}]"
        own = number(float(measured[name]), float(measured[f"{name}_sem"]))
        predicted = float(measured.get(f"predicted_{name}", np.nan))
        predicted = 1.0 if name == "decay_rate_ratio" else predicted  # decay alone
        text = f"{value:.3g}" if name == "n_jumps" else number(value)
        text += _range(known, name)
        rows.append([named, metric.long_name + unit, own, text, number(predicted)])
    errors = published.plateau_errors(str(known["setting"].values), config)
    rows.append(
        [named, "test error of periods", _own_errors(comparison, measured), _list(errors), "–"]
    )
    return rows


def _with_elr_at_rest(measured: xr.Dataset) -> xr.Dataset:
    """The setting with ``eta/rho^2`` at the equilibrium norm, measured and predicted."""
    rate, norm = float(measured["learning_rate"]), float(measured["equilibrium_norm"])
    elr = rate / norm**2
    predicted = rate / float(measured.get("predicted_equilibrium_norm", np.nan)) ** 2
    error = 2 * elr * float(measured["equilibrium_norm_sem"]) / norm
    name = "equilibrium_effective_lr"
    return measured.assign({name: elr, f"{name}_sem": error, f"predicted_{name}": predicted})


def _range(known: xr.Dataset, name: str) -> str:
    """The published range of a quantity, and over which time jumps were counted."""
    if name == "n_jumps":
        return f" in {published.EPOCHS} epochs"
    if f"published_{name}_low" not in known:
        return ""
    low, high = (float(known[f"published_{name}_{end}"]) for end in ("low", "high"))
    return f" ({number(low)} … {number(high)})"


def _own_errors(comparison: xr.Dataset, measured: xr.Dataset) -> str:
    """Test errors at the minima of the first periods, means over the runs that have them."""
    if "minimum_test_error" not in comparison:
        return "–"
    names = [setting_of(run) for run in comparison["run"].values]
    own = [name == str(measured["setting"].values) for name in names]
    errors = comparison["minimum_test_error"].isel(run=own).values[:, :6]
    whole = np.isfinite(errors).any(axis=0)
    return _list(np.nanmean(errors[:, whole], axis=0))


def _list(errors: Any) -> str:
    return ", ".join(number(float(error)) for error in errors) or "–"


def _sphere_table(comparison: xr.Dataset, config: Mapping[str, Any]) -> Table:
    """Regime, loss and gradient at a fixed elr, run by run."""
    known = published.on_sphere(comparison, config)
    names = ("train_loss", "effective_grad_norm")
    rows = []
    for run in known["run"].values:
        row = [str(run), str(comparison["regime"].sel(run=run).values)]
        row.append(str(known["published_regime"].sel(run=run).values))
        for name in names:
            row.append(number(float(comparison[f"late_{name}"].sel(run=run))))
            row.append(number(float(known[f"published_{name}"].sel(run=run))))
        rows.append(row)
    head = ["run", "regime", "published", "L", "published", "g", "published"]
    return Table("On the sphere, beside published (Kodryan et al. 2022)", head, rows)
