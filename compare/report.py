"""The report: one self-contained HTML file made from a study file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from compare import control_figures, extras, figures, metrics, monitored, page, store, tables, toys
from compare.captions import CAPTIONS
from theory import files
from theory.jumps import find_jumps
from theory.trajectory import recorded


def write(path: Path, study: xr.DataTree) -> None:
    """Write the report of a study atomically.

    Args:
        path: the HTML file; an older one is replaced.
        study: what ``compare.store.read`` returns.

    Raises:
        OSError: if it cannot be written.
    """
    with files.replacing(path) as partial:
        partial.write_text(render(study), encoding="utf-8")


def draw(study: xr.DataTree) -> dict[str, str]:
    """Draw the figures of a study as SVG, by name; those that its data allow."""
    if not study.children:
        return monitored.draw(study.to_dataset())
    if store.is_toys(study):
        return toys.draw(study)
    networks, theory, comparison = (
        study[name].to_dataset() for name in ("empirical", "theory", "comparison")
    )
    settings = metrics.by_setting(comparison)
    drawn = (
        control_figures.draw(networks, comparison, settings)
        | extras.draw(study, settings)
        | {
            "trajectories": figures.trajectories(networks, theory, settings),
            "phases": figures.phase_diagram(networks, theory, settings),
        }
    )
    alike = not (settings["variant"] != "").any()
    if alike and figures.with_period(settings).sizes["setting"]:
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
        return monitored.render(study.to_dataset())
    if store.is_toys(study):
        return toys.render(study, figures.inline)
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    settings = metrics.by_setting(comparison)
    predicted = "predicted_period" in settings
    return page.render(
        "report.html",
        config=json.loads(study.attrs["config"]),
        provenance=json.loads(study.attrs["provenance"]),
        reason=comparison.attrs.get("reason_prediction", ""),
        summary=_summary(networks, comparison, settings),
        figures={name: figures.inline(svg) for name, svg in draw(study).items()},
        captions=CAPTIONS,
        levels=[
            *_control_tables(settings),
            tables.law_table(comparison, tables.LAWS, "Level 0 — exact laws, no free parameter"),
            tables.law_table(
                comparison, ("decay_rate_ratio",), "Level 1 — decay where gradients are small"
            ),
            tables.equilibrium_table(settings),
            *extras.tables(study, settings),
            *(tables.prediction_table(settings, name) for name in tables.PREDICTIONS if predicted),
        ],
        runs=tables.run_table(comparison),
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
        "largest_residual": tables.number(float(comparison["norm_law_residual"].max())),
    }
    expected = comparison["expected_regime"].values
    said = expected != ""
    summary["n_expected"] = int(said.sum())
    summary["n_as_expected"] = int(metrics.as_expected(comparison).values[said].sum())
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


def _control_tables(settings: xr.Dataset) -> list[tables.Table]:
    """Tables of what only some studies have: expectations, twins, sharpness."""
    made = []
    if (settings["expected_regime"] != "").any():
        made.append(tables.expectation_table(settings))
    if "parted_step" in settings:
        made.append(tables.twin_table(settings))
    if "stability_before_jump" in settings:
        made += [tables.stability_table(settings), tables.law_fit_table(settings)]
    return made
