"""The section "Try it": what its sliders start from and what they read there."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration import calibrate
from compare.report.html.page import Section
from compare.report.saved_study import SavedStudy
from compare.report.tables import cells
from theory.cycle_models import kick_model
from theory.cycle_models.kick_model import KickModel
from theory.laws import equilibrium
from theory.trajectory import recorded
from theory.vocabulary import VARIABLES, label

CLOSED_FORMS = {
    "intrinsic_lr": label("intrinsic_lr"),
    "equilibrium_norm": VARIABLES["equilibrium_norm"].label,
    "equilibrium_effective_lr": "equilibrium η/ρ*²",
    "angular_update": label("angular_update"),
    "relaxation_steps": "relaxation time [steps]",
}
CYCLE = (
    "regime",
    "regime_probability",
    "period",
    "first_jump",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
)
SPAN = 2.0  # decades that a slider moves to either side


@dataclass(frozen=True)
class Slider:
    """A slider over the logarithm of a quantity, and where it stands at first."""

    name: str
    label: str
    value: float
    highest: float = np.inf

    @property
    def position(self) -> float:
        """Decimal logarithm of the value."""
        return float(np.log10(self.value))

    @property
    def low(self) -> float:
        """Lowest position."""
        return round(self.position - SPAN, 2)

    @property
    def high(self) -> float:
        """Highest position."""
        return round(min(self.position + SPAN, float(np.log10(self.highest))), 2)

    @property
    def shown(self) -> str:
        """The value as text."""
        return cells.number(self.value)


@dataclass(frozen=True)
class Reading:
    """A number that theory gives for the sliders' values; a dash where it gives none."""

    name: str
    label: str
    value: float | str

    @property
    def shown(self) -> str:
        """The value as text."""
        return self.value if isinstance(self.value, str) else cells.number(self.value)


def section(study: SavedStudy) -> Section | None:
    """The section, starting at a setting of the study; None where there is none with decay."""
    networks, comparison = study.networks, study.comparison
    chosen = _start(study.settings)
    if chosen is None:
        return None
    lr, wd = (float(chosen[name]) for name in ("learning_rate", "weight_decay"))
    run = str(chosen["first_run"].values)
    g = float(np.sqrt(np.mean(recorded(networks, run, "effective_grad_norm") ** 2)))
    norm = float(networks["weight_norm"].isel(step=0).sel(run=run))
    model = _model(comparison)
    if not (np.isfinite(g) and g > 0 and np.isfinite(norm) and norm > 0):
        return None
    values = {
        "model": model is not None,
        "sliders": [
            Slider("learning_rate", label("learning_rate"), lr),
            Slider("weight_decay", label("weight_decay"), wd, 1.0),
            Slider("grad_norm", label("effective_grad_norm") + ", root mean square", g),
        ],
        "readings": readings(model, lr, wd, g),
        "labels": {name: label(name) for name in ("step", "effective_lr")},
        "setting": cells.setting_name(chosen),
        "setup": {
            "model": None if model is None else asdict(model),
            "initial_norm": norm if model is None else model.initial_norm,
        },
    }
    return Section("try", "Try it", "try.html", values)


def readings(model: KickModel | None, lr: float, wd: float, g: float) -> list[Reading]:
    """What theory says of a setting, in the order of the page.

    Args:
        model: the calibrated kick model; None for the closed forms alone.
        lr: learning rate.
        wd: weight decay.
        g: root mean square effective gradient norm.
    """
    rest = equilibrium.sgd(lr, wd, g**2)
    closed = (lr * wd, rest.norm, rest.effective_lr, rest.angular_update, rest.relaxation_steps)
    found = [
        Reading(name, text, value)
        for (name, text), value in zip(CLOSED_FORMS.items(), closed, strict=True)
    ]
    if model is None:
        return found
    cycle: dict[str, Any] = asdict(kick_model.predict(model, lr, wd))
    if cycle["regime"] != "periodic":  # a period of an equilibrium is no number to give
        cycle |= {"period": np.nan, "first_jump": np.nan}
    return found + [Reading(name, VARIABLES[name].label, cycle[name]) for name in CYCLE]


def _start(settings: xr.Dataset) -> xr.Dataset | None:
    """A setting to start from: a periodic held-out one, if there is one."""
    known = settings.sel(setting=settings["weight_decay"] > 0)
    if not known.sizes["setting"]:
        return None
    periodic, held_out = known["regime"] == "periodic", known["role"] == "held_out"
    return known.isel(setting=int((2 * periodic + held_out).values.argmax()))


def _model(comparison: xr.Dataset) -> KickModel | None:
    """The calibrated model; None where the study has none of this version."""
    try:
        model = calibrate.model_from_json(comparison.attrs.get("calibration", ""))
        json.dumps(asdict(model), allow_nan=False)  # a page cannot read numbers that are none
        return model
    except ValueError:
        return None
