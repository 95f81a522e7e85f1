"""The report: one self-contained HTML file made from a study file alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import xarray as xr

from compare import figures, metrics, store, toys
from compare.metrics import METRICS
from theory.jumps import find_jumps
from theory.trajectory import recorded

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


def write(path: Path, study: xr.DataTree) -> None:
    """Write the report of a study atomically.

    Args:
        path: the HTML file; an older one is replaced.
        study: what ``compare.store.read`` returns.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(render(study), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def draw(study: xr.DataTree) -> dict[str, str]:
    """Draw the figures of a study as SVG, by name; those that its data allow."""
    if not study.children:
        from compare import monitored  # which takes tables from here

        return monitored.draw(study.to_dataset())
    if store.is_toys(study):
        return toys.draw(study)
    networks, theory, comparison = (
        study[name].to_dataset() for name in ("empirical", "theory", "comparison")
    )
    settings = metrics.by_setting(comparison)
    drawn = {
        "trajectories": figures.trajectories(networks, theory, settings),
        "phases": figures.phase_diagram(networks, theory, settings),
    }
    if figures.with_period(settings).sizes["setting"]:
        drawn["periods"] = figures.periods(settings)
    return drawn


def write_figures(folder: Path, study: xr.DataTree) -> list[Path]:
    """Write the figures of a study as SVG files into a folder and return their paths.

    Raises:
        OSError: if they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, svg in draw(study).items():
        paths.append(folder / f"{name}.svg")
        paths[-1].write_text(svg, encoding="utf-8")
    return paths


def render(study: xr.DataTree) -> str:
    """Render the report of a study as HTML."""
    if not study.children:
        from compare import monitored

        return monitored.render(study.to_dataset())
    if store.is_toys(study):
        return toys.render(study, inline)
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    settings = metrics.by_setting(comparison)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compare"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    predicted = "predicted_period" in settings
    return environment.get_template("report.html").render(
        config=json.loads(study.attrs["config"]),
        provenance=json.loads(study.attrs["provenance"]),
        reason=comparison.attrs.get("reason_prediction", ""),
        summary=_summary(networks, comparison, settings),
        figures={name: inline(svg) for name, svg in draw(study).items()},
        levels=[
            _law_table(comparison, LAWS, "Level 0 — exact laws, no free parameter"),
            _law_table(
                comparison, ("decay_rate_ratio",), "Level 1 — decay where gradients are small"
            ),
            _equilibrium_table(settings),
            *([_prediction_table(settings, name) for name in PREDICTIONS] if predicted else []),
        ],
        runs=_run_table(comparison),
        model=json.loads(comparison.attrs.get("calibration", "{}")).get("model", {}),
    )


def _summary(networks: xr.Dataset, comparison: xr.Dataset, settings: xr.Dataset) -> dict[str, Any]:
    """The numbers of the first screen."""
    periodic = comparison["regime"] == "periodic"
    summary: dict[str, Any] = {
        "models": ", ".join(np.unique(comparison["model"].values)),
        "data": ", ".join(np.unique(comparison["data"].values)),
        "n_runs": comparison.sizes["run"],
        "n_periodic": int(periodic.sum()),
        "n_jumps": int(comparison["n_jumps"].values[periodic.values].sum()),
        "n_steps": int(networks["n_steps"].sum()),
        "largest_residual": number(float(comparison["norm_law_residual"].max())),
    }
    if "predicted_period" not in settings:
        return summary
    errors = metrics.absolute_errors(settings, "period")
    if len(errors):
        held_out = (comparison["role"] == "held_out") & comparison["predicted_period"].notnull()
        right = (comparison["predicted_regime"] == comparison["regime"]).values[held_out.values]
        known = figures.with_period(settings)
        uncertainty = (known["period_sem"] / known["period"]).values[known["role"] == "held_out"]
        summary |= {
            "model_error": float(np.median(errors)),
            "largest_model_error": float(np.max(errors)),
            "baseline_error": metrics.median_absolute_error(settings, "period", source="baseline"),
            "power_law_error": metrics.median_absolute_error(
                settings, "period", source="power_law"
            ),
            "uncertainty": float(np.median(uncertainty)),
            "regime_right": float(right.mean()),
            "n_held_out": len(errors),
            "coverage": metrics.interval_coverage(
                comparison.isel(run=held_out.values), _single_periods(networks, comparison)
            ),
        }
    return summary


def _single_periods(networks: xr.Dataset, comparison: xr.Dataset) -> dict[str, list[float]]:
    """All single periods of the held-out periodic runs."""
    chosen = (comparison["role"] == "held_out") & (comparison["regime"] == "periodic")
    return {
        str(run): np.diff(
            find_jumps(np.log(recorded(networks, str(run), "effective_lr"))).onsets
        ).tolist()
        for run in comparison["run"].values[chosen.values]
    }


def _law_table(comparison: xr.Dataset, names: Sequence[str], caption: str) -> Table:
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


def _equilibrium_table(settings: xr.Dataset) -> Table:
    """Level 1: the equilibrium norm from the mean squared gradient."""
    rows = []
    for one in _rows(settings):
        measured, predicted = (float(one[f"{p}equilibrium_norm"]) for p in ("", "predicted_"))
        if np.isfinite(measured):
            error = percent(predicted / measured - 1)
            rows.append(
                [_name(one), str(one["regime"].values), number(measured), number(predicted), error]
            )
    head = ["ηλ", "regime", "measured", "from ⟨g²⟩", "error"]
    return Table("Level 1 — equilibrium norm ρ* from one measured number", head, rows)


def _prediction_table(settings: xr.Dataset, name: str) -> Table:
    """Level 2: an observable of the periodic settings beside its predictions."""
    metric = METRICS[name]
    sources = {"predicted": "kick model", "baseline": "baseline", "power_law": "power law"}
    known = {source: title for source, title in sources.items() if f"{source}_{name}" in settings}
    rows = []
    for one in _rows(settings.sel(setting=settings["regime"] == "periodic")):
        measured, sem = float(one[name]), float(one[f"{name}_sem"])
        row = [_name(one), str(one["role"].values).replace("_", "-"), number(measured, sem)]
        for source in known:
            value = float(one[f"{source}_{name}"])
            row += [number(value), percent(value / measured - 1)]
        rows.append(row)
    head = ["ηλ", "role", "measured ± s.e."]
    for title in known.values():
        head += [title, "error"]
    unit = "" if metric.units == "1" else f" [{metric.units}]"
    return Table(f"Level 2 — {metric.long_name}{unit}", head, rows)


def _run_table(comparison: xr.Dataset) -> Table:
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


def _rows(settings: xr.Dataset) -> list[xr.Dataset]:
    return [settings.isel(setting=i) for i in range(settings.sizes["setting"])]


def _name(setting: xr.Dataset) -> str:
    return f"{float(setting['intrinsic_lr']):.2g}"


def number(value: float, uncertainty: float | None = None) -> str:
    """A number with three significant digits, or with the digits that its uncertainty allows.

    A dash for an estimate that was refused.
    """
    if not np.isfinite(value):
        return "–"
    if uncertainty is not None and np.isfinite(uncertainty) and uncertainty > 0:
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


def inline(svg: str) -> str:
    """A figure as a data URI, so that the report is one file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
