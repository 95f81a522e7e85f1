"""The page of a study of networks."""

import json
from collections.abc import Mapping

from compare.predict import scores
from compare.report.html.captions import CAPTIONS
from compare.report.html.page import Card, Figure, Fold, Page, Section, as_json, figure_sections
from compare.report.pages import headline, study_tables, try_it
from compare.report.pages.study_figures import draw
from compare.report.saved_study import SavedStudy
from compare.report.tables.cells import Table, score
from compare.report.tables.runs import run_table
from compare.report.tables.scores import calibration_table
from theory.vocabulary import VARIABLES

CARDS = {
    "model_error": "theory",
    "baseline_error": "baseline",
    "coverage": "",
    "regime_right": "",
    "share_as_expected": "",
    "largest_residual": "",
}
IN_PROSE = ("largest_model_error", "uncertainty", "power_law_error")


def page_of(study: SavedStudy) -> Page:
    """The page of a study: what it shows up front, the evidence below."""
    scored = scores.of_study(study.networks, study.comparison, study.settings)
    said = {name: score(name, value) for name, value in scored.items()}
    drawn = draw(study)
    claim = headline.choose(headline.Evidence(scored, study.settings))
    first = next((name for name in claim.figures if name in drawn), None)
    rest = {name: svg for name, svg in drawn.items() if name != first}
    tried = try_it.section(study)
    return Page(
        title=study.config["title"],
        subtitle=_subtitle(study, said),
        claim=claim.sentence,
        figure=None if first is None else Figure(first, drawn[first], CAPTIONS[first]),
        cards=[
            Card(said[name], VARIABLES[name].long_name, role)
            for name, role in CARDS.items()
            if name in said
        ],
        sections=[
            _background(study, said),
            *figure_sections(rest, CAPTIONS),
            *([] if tried is None else [tried]),
            *_section("scores", "Who predicts what", study_tables.of_scores(study)),
            Section(
                "levels",
                "Three levels of theory",
                "terms.html",
                tables=study_tables.of_levels(study),
            ),
            *_section(
                "further", "Further measurements", study_tables.of_further_measurements(study)
            ),
            Section("runs", "All runs", tables=[run_table(study.comparison)], open=False),
            _provenance(study),
        ],
    )


def _subtitle(study: SavedStudy, said: Mapping[str, str]) -> str:
    models, data = (
        ", ".join(sorted(set(study.comparison[name].values))) for name in ("model", "data")
    )
    runs = f"{said['n_runs']} runs, {said['total_steps']} steps in all"
    return f"Sawtooth study {study.config['name']}: {models} on {data}, {runs}."


def _background(study: SavedStudy, said: Mapping[str, str]) -> Section:
    """How a sawtooth comes about, and what was run here."""
    values = {
        "about": study.config.get("about", ""),
        "n_settings": len(study.config["settings"]),
        "seeds": study.config["seeds"],
        "reason": study.comparison.attrs.get("reason_prediction", ""),
        "predicted": "model_error" in said,
        "leave_one_out": study.config.get("leave_one_out", False),
        **{name: said[name] for name in ("n_runs", "n_periodic", "n_jumps")},
        **{name: said[name] for name in IN_PROSE if name in said},
    }
    return Section("background", "How a sawtooth comes about", "background.html", values)


def _section(name: str, title: str, held: list[Table]) -> list[Section]:
    """A section of tables, if there are any."""
    return [Section(name, title, tables=held)] if held else []


def _provenance(study: SavedStudy) -> Section:
    """Where the numbers come from."""
    model = json.loads(study.comparison.attrs.get("calibration", "{}")).get("model")
    folds = []
    if model and "parameter" in study.calibration.dims:
        folds.append(Fold("Calibrated parameters", table=calibration_table(study.calibration)))
    matter = {
        "How this was made": study.provenance,
        "Study": study.config,
        "Calibrated model": model,
    }
    folds += [Fold(title, as_json(content)) for title, content in matter.items() if content]
    return Section("provenance", "Provenance", folds=folds, open=False)
