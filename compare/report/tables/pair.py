"""Tables of two studies side by side, and what of each study goes into them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from compare.predict import scores
from compare.report.legible import legible
from compare.report.saved_study import SavedStudy
from compare.report.tables import cells as tables
from compare.report.tables.cells import Cell, Table, number, percent, score
from compare.report.tables.laws import LAW_HEAD, LAWS, law_cells
from compare.study import store
from theory.arrays import FloatArray
from theory.vocabulary import VARIABLES

LETTERS = ("A", "B")
HEADS = [Cell(letter, role="words") for letter in LETTERS]
UNTOLD = ("title", "about", "name", "settings")  # said elsewhere, or told setting by setting


@dataclass(frozen=True)
class Told:
    """What one of two studies says of itself.

    Attributes:
        name: of the study.
        config: its study file.
        comparison: its comparison along ``run``.
        settings: the same, setting by setting.
        scores: its numbers.
        model: numbers of the laws it has calibrated, by dotted name; empty for none.
        errors: their standard errors, as far as they are known.
    """

    name: str
    config: Mapping[str, Any]
    comparison: xr.Dataset
    settings: xr.Dataset
    scores: Mapping[str, float]
    model: Mapping[str, float]
    errors: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a study of networks.

        Raises:
            ValueError: if the file is none.
        """
        tree = store.read(path)
        if store.is_toys(tree):
            raise ValueError(f"{path} is a study of toys; --compare takes studies of networks")
        with store.blaming(path):
            study = SavedStudy.of(legible(tree))
            return cls(
                name=study.config["name"],
                config=study.config,
                comparison=study.comparison,
                settings=study.settings,
                scores=scores.of_study(study.networks, study.comparison, study.settings),
                model=_parameters(study.calibration, "value"),
                errors=_parameters(study.calibration, "standard_error"),
            )


Pair = tuple[Told, Told]


def differences(pair: Pair) -> Table:
    """What was asked for, where the studies do not agree."""
    asked = [_asked(one.config) for one in pair]
    rows = [
        [name.replace("_", " "), *(Cell(one.get(name, "–"), role="words") for one in asked)]
        for name in dict.fromkeys(name for one in asked for name in one)
        if asked[0].get(name) != asked[1].get(name)
    ]
    return Table("Where the study files differ", ["key", *HEADS], rows)


def _asked(config: Mapping[str, Any]) -> dict[str, str]:
    """Keys of a study file as text; of its settings, all values that each key takes."""
    asked = {name: str(value) for name, value in config.items() if name not in UNTOLD}
    keys: dict[str, dict[str, None]] = {}
    for setting in config["settings"]:
        for name, value in {**setting, **setting.get("recipe", {})}.items():
            if name != "recipe" and value != "":
                keys.setdefault(name, {})[f"{value:g}" if type(value) is float else str(value)] = (
                    None
                )
    return (
        {"settings": str(len(config["settings"]))}
        | {name: ", ".join(values) for name, values in keys.items()}
        | asked
    )


def numbers(pair: Pair) -> Table:
    """Scores of both, beside what a perfect study would have."""
    rows = []
    for name, metric in VARIABLES.items():
        values = [one.scores.get(name, np.nan) for one in pair]
        if np.isfinite(values).any():
            perfect = np.nan if metric.perfect is None else metric.perfect
            texts = [score(name, value) for value in (*values, perfect)]
            rows.append([metric.long_name, *texts])
    return Table("Key metrics", ["metric", *LETTERS, "perfect"], rows)


def regimes(pair: Pair) -> Table:
    """How many runs of each study are in each regime."""
    counts = [
        dict(zip(*np.unique(one.comparison["regime"].values, return_counts=True), strict=True))
        for one in pair
    ]
    names = sorted({str(name) for one in counts for name in one})
    rows = [[name, *(tables.count(int(one.get(name, 0))) for one in counts)] for name in names]
    return Table("Runs in each regime", [VARIABLES["regime"].label, *LETTERS], rows)


def laws(pair: Pair) -> Table:
    """Largest departure of each law, and whether it holds in all runs of a study."""
    rows = []
    for name in (*LAWS, "decay_rate_ratio"):
        held = [one.comparison[name].dropna("run").values for one in pair]
        if not any(map(len, held)):
            continue
        judged = [cell for values in held for cell in _judged(name, values)]
        about = _without_verdict(law_cells(name, held[0]))
        rows.append([VARIABLES[name].label, *judged, *about])
    head = ["law", "A, farthest", "A", "B, farthest", "B", *_without_verdict(LAW_HEAD)]
    return Table("Laws, at the run that is farthest off", head, rows)


def _judged(name: str, values: FloatArray) -> list[Cell]:
    """The value farthest from what a law demands, and the verdict; dashes where there is none."""
    if not len(values):
        return [number(float("nan")), Cell("–")]
    farthest = values[np.abs(values - (VARIABLES[name].perfect or 0.0)).argmax()]
    return [number(float(farthest)), tables.verdict(VARIABLES[name].passes(values))]


def _without_verdict(cells: Sequence[str]) -> list[str]:
    """Cells about a law, as ``tables.law_cells`` makes them, without the verdict on one study."""
    return [cell for i, cell in enumerate(cells) if LAW_HEAD[i] != "verdict"]


def models(pair: Pair) -> Table:
    """Parameters of both calibrated models, how far they are apart, and whether that is much."""
    first, second = pair
    rows = []
    for name in dict.fromkeys((*first.model, *second.model)):
        a, b = (one.model.get(name, np.nan) for one in pair)
        spread = math.hypot(*(one.errors.get(name, np.nan) for one in pair))
        apart = (b - a) / spread if spread > 0 else np.nan
        said = [number(one.model.get(name, np.nan), one.errors.get(name)) for one in pair]
        change = percent(b / a - 1 if a * b > 0 else np.nan)
        words = name.replace("_", " ").replace(".", ", ")
        rows.append([words, *said, number(b - a), change, number(apart)])
    head = ["parameter", *LETTERS, "B − A", "B / A − 1", "apart [s.e.]"]
    return Table("Kick model", head, rows)


def _parameters(table: xr.Dataset, column: str) -> dict[str, float]:
    """A column of a study's table of parameters, by their names; empty where it has none."""
    if column not in table:
        return {}
    known = zip(table["parameter"].values, table[column].values, strict=True)
    return {str(name): float(value) for name, value in known}
