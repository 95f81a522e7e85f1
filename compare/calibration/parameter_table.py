"""A calibration as a labelled table: every number with its uncertainty, and what it fits."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from compare.calibration.calibrate import Calibration
from compare.calibration.laws.evidence import kick_of
from compare.calibration.laws.regularised import SCALED, Laws
from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray

NUMBERS = ("level", "slope", "straight", "steps")  # of each law, in the order of the prior
CURVE = 60  # points of a law's curve
BEYOND = 10.0  # factor that the curves go on below the slowest setting
# what is fitted: how it is measured in a setting, and its label
FITTED: dict[str, tuple[str, Callable[[SettingCycles], FloatArray]]] = {
    "kick": ("growth of ln ρ² in a period", lambda c: np.asarray(c.rate * c.all("lengths"))),
    "onset": ("ln(elr) before a jump", lambda c: c.all("onsets")),
    "landing": ("ln(elr) after a jump", lambda c: c.all("landings")),
    "growth": ("ln y of the growing share", lambda c: c.all("growth")),
}


def build(
    calibration: Calibration, settings: Sequence[SettingCycles], slowest: float = np.inf
) -> xr.Dataset:
    """Tabulate a calibration.

    Args:
        calibration: the fitted models.
        settings: the cycles that it was fitted to.
        slowest: eta lam to which the curves go at least.

    Returns:
        ``value`` and ``standard_error`` along ``parameter`` (``log_kick.level``,
        ``log_kick.slope``, ..., the numbers of each law); along ``setting`` mean and
        standard error of what was seen; along ``curve`` each law of ``FITTED`` over eta lam
        (``curve_intrinsic_lr``) as ``<name>_law``, with its standard deviation
        ``<name>_law_error``.
    """
    laws, jumping = calibration.laws, [cycles for cycles in settings if cycles.runs]
    mean, covariance = laws.numbers()
    made = xr.Dataset(
        {
            "value": ("parameter", mean),
            "standard_error": ("parameter", np.sqrt(np.maximum(np.diag(covariance), 0))),
            "intrinsic_lr": ("setting", [c.intrinsic_lr for c in jumping]),
            "n_cycles": ("setting", [float(c.n_cycles) for c in jumping]),
            "periodic": ("setting", [str(c.periodic).lower() for c in jumping]),
        },
        {"parameter": [f"{name}.{number}" for name in laws.prior.names for number in NUMBERS]},
    )
    for name, (label, quantity) in FITTED.items():
        _add_fit(made, name, label, [quantity(c) for c in jumping])
    if jumping:
        seen = made["intrinsic_lr"].values
        grid = np.geomspace(min(seen.min() / BEYOND, slowest), seen.max(), CURVE)
        made["curve_intrinsic_lr"] = ("curve", grid)
        for name in FITTED:
            known = np.array([_known(laws, name, float(one)) for one in grid])
            made[f"{name}_law"] = ("curve", known[:, 0])
            made[f"{name}_law_error"] = ("curve", known[:, 1])
    _describe(made)
    return made


def _known(laws: Laws, name: str, intrinsic_lr: float) -> tuple[float, float]:
    """Mean and standard deviation of a quantity; the kick is known by its logarithm."""
    if name != "kick":
        return laws.of(name, intrinsic_lr)
    kick = kick_of(laws, intrinsic_lr)
    return kick, kick * laws.of(SCALED, intrinsic_lr)[1]


def _add_fit(made: xr.Dataset, name: str, label: str, samples: list[FloatArray]) -> None:
    """Mean and standard error of a quantity in each setting; NaN where there is none."""
    means = [float(one.mean()) if len(one) else np.nan for one in samples]
    errors = [float(one.std() / np.sqrt(len(one))) if len(one) else np.nan for one in samples]
    made[name], made[f"{name}_sem"] = ("setting", means), ("setting", errors)
    made[name].attrs["long_name"] = label


def _describe(made: xr.Dataset) -> None:
    for name, variable in made.data_vars.items():
        label = variable.attrs.get("long_name", str(name).replace("_", " "))
        variable.attrs = {"long_name": label, "units": "1", "symbol": "", "source": "theory"}
