"""The report: one self-contained HTML file made from a study file alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from compare import (
    claims,
    control_figures,
    extras,
    figures,
    metrics,
    monitored,
    page,
    published_sizes,
    sandbox,
    score_tables,
    scores,
    store,
    tables,
    toys,
)
from compare.captions import CAPTIONS
from compare.metrics import METRICS
from compare.page import Card, Figure, Fold, Page, Section
from theory import files

CARDS = {
    "model_error": "theory",
    "baseline_error": "baseline",
    "coverage": "",
    "regime_right": "",
    "share_as_expected": "",
    "largest_residual": "",
}
IN_PROSE = ("largest_model_error", "uncertainty", "power_law_error")


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
    known = published_sizes.known_on_sphere(json.loads(study.attrs["config"]))
    drawn = (
        control_figures.draw(networks, comparison, settings, known)
        | extras.draw(study, settings)
        | {
            "trajectories": figures.trajectories(networks, theory, comparison, settings),
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
        return page.render(monitored.page_of(study.to_dataset()))
    if store.is_toys(study):
        return page.render(toys.page_of(study))
    return page.render(_page(study))


def _page(study: xr.DataTree) -> Page:
    """The page of a study of networks."""
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    settings = metrics.by_setting(comparison)
    config = json.loads(study.attrs["config"])
    scored = scores.of_study(networks, comparison, settings)
    said = {name: scores.text(name, value) for name, value in scored.items()}
    drawn = draw(study)
    claim = claims.choose(claims.Evidence(scored, settings))
    first = next((name for name in claim.figures if name in drawn), None)
    rest = {name: svg for name, svg in drawn.items() if name != first}
    tried = sandbox.section(networks, comparison, settings)
    return Page(
        title=config["title"],
        subtitle=_subtitle(config, comparison, said),
        claim=claim.sentence,
        figure=None if first is None else Figure(first, drawn[first], CAPTIONS[first]),
        cards=[
            Card(said[name], METRICS[name].long_name, role)
            for name, role in CARDS.items()
            if name in said
        ],
        sections=[
            _background(config, comparison, said),
            *page.figure_sections(rest, CAPTIONS),
            *([] if tried is None else [tried]),
            *_section("scores", "Who predicts what", extras.score_tables(study, settings)),
            _levels(comparison, settings),
            *_section("further", "Further measurements", extras.tables(study, settings)),
            Section("runs", "All runs", tables=[tables.run_table(comparison)], open=False),
            _provenance(study, comparison),
        ],
    )


def _subtitle(config: Mapping[str, Any], comparison: xr.Dataset, said: Mapping[str, str]) -> str:
    models, data = (", ".join(sorted(set(comparison[n].values))) for n in ("model", "data"))
    runs = f"{said['n_runs']} runs, {said['n_steps']} steps in all"
    return f"Sawtooth study {config['name']}: {models} on {data}, {runs}."


def _background(
    config: Mapping[str, Any], comparison: xr.Dataset, said: Mapping[str, str]
) -> Section:
    """How a sawtooth comes about, and what was run here."""
    values = {
        "about": config.get("about", ""),
        "n_settings": len(config["settings"]),
        "seeds": config["seeds"],
        "reason": comparison.attrs.get("reason_prediction", ""),
        "predicted": "model_error" in said,
        "leave_one_out": config.get("leave_one_out", False),
        **{name: said[name] for name in ("n_runs", "n_periodic", "n_jumps")},
        **{name: said[name] for name in IN_PROSE if name in said},
    }
    return Section("background", "How a sawtooth comes about", "background.html", values)


def _levels(comparison: xr.Dataset, settings: xr.Dataset) -> Section:
    """Tables of the three levels of theory."""
    predicted = "predicted_period" in settings
    level_1 = ("decay_rate_ratio",)
    held = [
        *_control_tables(settings),
        tables.law_table(comparison, tables.LAWS, "Level 0 — exact laws, no free parameter"),
        tables.law_table(comparison, level_1, "Level 1 — decay where gradients are small"),
        tables.equilibrium_table(settings),
        *(tables.prediction_table(settings, name) for name in tables.PREDICTIONS if predicted),
    ]
    shown = [table for table in held if table.rows]
    return Section("levels", "Three levels of theory", "terms.html", tables=shown)


def _section(name: str, title: str, held: list[tables.Table]) -> list[Section]:
    """A section of tables, if there are any."""
    return [Section(name, title, tables=held)] if held else []


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


def _provenance(study: xr.DataTree, comparison: xr.Dataset) -> Section:
    """Where the numbers come from."""
    model = json.loads(comparison.attrs.get("calibration", "{}")).get("model")
    held = study.get("calibration")
    folds = []
    if model and held is not None and "parameter" in held.dims:
        table = score_tables.calibration_table(held.to_dataset())
        folds.append(Fold("Calibrated parameters", table=table))
    matter = {
        "How this was made": json.loads(study.attrs["provenance"])
        | ({"trajectories kept": study.attrs["thinned"]} if "thinned" in study.attrs else {}),
        "Study": json.loads(study.attrs["config"]),
        "Calibrated model": model,
    }
    folds += [Fold(title, as_json(content)) for title, content in matter.items() if content]
    return Section("provenance", "Provenance", folds=folds, open=False)


def as_json(content: object) -> str:
    """Something as indented JSON, readable as it is."""
    return json.dumps(content, indent=2, ensure_ascii=False)
