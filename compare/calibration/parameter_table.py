"""A calibration as a labelled table: every parameter with its uncertainty, and what it fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration.calibrate import Calibration
from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import KickModel, mean_cycle
from theory.cycle_models.log_line import LogLine

# what is fitted: how it is measured in a setting, and its label
FITTED: dict[str, tuple[str, Callable[[SettingCycles], FloatArray]]] = {
    "kick": ("growth of ln ρ² in a period", lambda c: np.asarray(c.rate * c.all("lengths"))),
    "onset": ("ln(elr) before a jump", lambda c: c.all("onsets")),
    "landing": ("ln(elr) after a jump", lambda c: c.all("landings")),
    "growth": ("ln y of the growing share", lambda c: c.all("growth")),
}


def build(
    calibration: Calibration, resampled: Sequence[KickModel], settings: Sequence[SettingCycles]
) -> xr.Dataset:
    """Tabulate a calibration.

    Args:
        calibration: the fitted models.
        resampled: the kick model refitted to resampled seeds, for the uncertainties.
        settings: the cycles that it was fitted to.

    Returns:
        ``value`` and ``standard_error`` along ``parameter`` (dotted names, as in the attribute
        ``calibration`` of the comparison) and ``resampled`` (``resample``, ``parameter``), of the
        kick model; along ``setting`` mean and standard error of what it fits.
    """
    names = list(flatten(asdict(calibration.model)))
    table = np.array([list(flatten(asdict(model)).values()) for model in resampled])
    table = table.reshape(-1, len(names))
    error = table.std(axis=0) if len(table) > 1 else np.full(len(names), np.nan)
    values = list(flatten(asdict(calibration.model)).values())
    made = xr.Dataset(
        {
            "value": ("parameter", values),
            "standard_error": ("parameter", error),
            "resampled": (("resample", "parameter"), table),
            "intrinsic_lr": ("setting", [c.intrinsic_lr for c in settings]),
            "n_cycles": ("setting", [float(c.n_cycles) for c in settings]),
            "periodic": ("setting", [str(c.periodic).lower() for c in settings]),
        },
        {"parameter": names},
    )
    for name, (label, quantity) in FITTED.items():
        _add_fit(made, name, label, [quantity(c) for c in settings])
    _describe(made)
    return made


def period_error(table: xr.Dataset, model: KickModel, intrinsic_lr: float) -> float:
    """Standard error of the predicted mean period, steps; NaN where nothing was resampled."""
    if not table.sizes.get("resample"):
        return float("nan")
    rows = table["resampled"].to_dataset("parameter")
    periods = [
        mean_cycle(
            replace(model, kick=LogLine(float(at_one), float(slope)), recovery=float(recovery)),
            intrinsic_lr,
        ).period
        for at_one, slope, recovery in zip(
            *(rows[name].values for name in ("kick.at_one", "kick.slope", "recovery")), strict=True
        )
    ]
    return float(np.std(periods)) if len(periods) > 1 else float("nan")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested numbers by dotted name."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = float(value)
    return flat


def _add_fit(made: xr.Dataset, name: str, label: str, samples: list[Any]) -> None:
    """Mean and standard error of a quantity in each setting."""
    made[name] = ("setting", [float(one.mean()) for one in samples])
    errors = [float(one.std() / np.sqrt(len(one))) for one in samples]
    made[f"{name}_sem"] = ("setting", errors)
    made[name].attrs["long_name"] = label


def _describe(made: xr.Dataset) -> None:
    for name, variable in made.data_vars.items():
        label = variable.attrs.get("long_name", str(name).replace("_", " "))
        variable.attrs = {"long_name": label, "units": "1", "symbol": "", "source": "theory"}
