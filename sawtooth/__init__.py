"""Predict the periods of normalised networks trained with weight decay, and watch them happen.

    forecast                                   a run that is planned, from cheap ones
    diagnose                                   which mechanism makes the loss of a run spike
    predict, equilibrium, predict_from_study   what theory says of a learning rate and a decay
    simulate, solve_norm                       toy losses; the norm for gradients that are given
    run_study, open_study, report              a study, its data, its report
    outlook                                    when a recorded run will jump next
    Monitor, scale_invariant_parameters        your own network in your own training loop
    observe, check_laws, predict_equilibrium,
    render_report                              what was recorded, held against theory
    load_images                                images by the name of their source

Names are imported when they are used, so that ``import sawtooth`` costs nothing.
"""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.diagnose.diagnose import diagnose
    from compare.forecast.run_forecast import forecast
    from compare.measure.recorded import check_laws, observe
    from compare.predict.closed_forms import equilibrium, predict
    from compare.predict.from_study import predict_from_study
    from compare.predict.next_jump import outlook
    from compare.predict.optimizer_equilibrium import predict_equilibrium
    from compare.report.report import render_report
    from compare.report.report import write_report as report
    from compare.study.run_study import open_study, run_study
    from empirical.data.sources import load as load_images
    from empirical.invariance.search import scale_invariant_parameters
    from empirical.monitor import Monitor
    from theory.norm_ode.solve import solve_norm
    from theory.simulation.simulate import simulate

__all__ = [
    "Monitor",
    "check_laws",
    "diagnose",
    "equilibrium",
    "forecast",
    "load_images",
    "observe",
    "open_study",
    "outlook",
    "predict",
    "predict_equilibrium",
    "predict_from_study",
    "render_report",
    "report",
    "run_study",
    "scale_invariant_parameters",
    "simulate",
    "solve_norm",
]

_HOMES = {
    "Monitor": "empirical.monitor:Monitor",
    "check_laws": "compare.measure.recorded:check_laws",
    "diagnose": "compare.diagnose.diagnose:diagnose",
    "equilibrium": "compare.predict.closed_forms:equilibrium",
    "forecast": "compare.forecast.run_forecast:forecast",
    "load_images": "empirical.data.sources:load",
    "observe": "compare.measure.recorded:observe",
    "open_study": "compare.study.run_study:open_study",
    "outlook": "compare.predict.next_jump:outlook",
    "predict": "compare.predict.closed_forms:predict",
    "predict_equilibrium": "compare.predict.optimizer_equilibrium:predict_equilibrium",
    "predict_from_study": "compare.predict.from_study:predict_from_study",
    "render_report": "compare.report.report:render_report",
    "report": "compare.report.report:write_report",
    "run_study": "compare.study.run_study:run_study",
    "scale_invariant_parameters": "empirical.invariance.search:scale_invariant_parameters",
    "simulate": "theory.simulation.simulate:simulate",
    "solve_norm": "theory.norm_ode.solve:solve_norm",
}
_ROOMS = ("theory", "empirical", "compare")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    Raises:
        AttributeError: if there is no such name.
        ImportError: if something else hides one of the packages behind this one, or torch is
            needed and missing.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'sawtooth' has no attribute {name!r}")
    _check_that_nothing_hides_us()
    module, attribute = _HOMES[name].split(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "sklearn"):
            raise
        raise ModuleNotFoundError(
            f"sawtooth.{name} needs {error.name}, which is not installed; "
            "install the extra 'networks', as README says",
            name=error.name,
        ) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _check_that_nothing_hides_us() -> None:
    """Refuse to go on where a user's ``theory.py`` stands before our package ``theory``.

    Raises:
        ImportError: naming the file.
    """
    home = Path(__file__).resolve().parents[1]
    for room in _ROOMS:
        loaded = sys.modules.get(room)
        found = (
            getattr(loaded, "__file__", None)
            if loaded
            else getattr(find_spec(room), "origin", None)
        )
        if found and Path(found).resolve() != home / room / "__init__.py":
            raise ImportError(
                f"{found} hides the package {room!r} that sawtooth needs; "
                "rename it, or run from another folder"
            )
