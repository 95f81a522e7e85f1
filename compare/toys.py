"""Run a study of toys: simulate every claim, write one file, render its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr
from markupsafe import Markup

from compare import page, store, toy_figures
from compare.config import ToyStudy
from compare.page import Figure, Fold, Page, Section
from compare.tables import Cell, Table, verdict
from compare.toy_captions import CAPTIONS

if TYPE_CHECKING:
    from compare.toy_claims import Finding

HEAD = ("claim", "measured", "predicted", "unit", "relative error", "tolerance", "verdict")
FIRST = "closure"  # the figure of the first screen


def run(study: ToyStudy, finished: Path) -> None:
    """Simulate the toys of a study and write what was found.

    Args:
        study: what to run.
        finished: the study file; an older one is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    from compare.toy_claims import table  # brings Numba and SymPy, which a report does not need

    findings = [claim(study) for claim in claims()]
    data = xr.merge([one.data for one in findings], join="exact", compat="no_conflicts")
    groups = {"theory": data, "empirical": xr.Dataset(), "comparison": table(findings)}
    provenance = json.dumps(store.provenance("cpu", ["float64"]))
    store.write(finished, groups, config=study.to_json(), provenance=provenance)


def claims() -> list[Callable[[ToyStudy], Finding]]:
    """What the study simulates: a function for each figure and its claims."""
    from compare import toy_cycles, toy_losses, toy_oscillator

    return [
        toy_cycles.fixed_point,
        toy_cycles.oscillations,
        toy_cycles.cycle,
        toy_cycles.entry_exit,
        toy_cycles.floor,
        toy_losses.underflow,
        toy_losses.blocks,
        toy_losses.noise,
        toy_losses.rayleigh,
        toy_losses.logistic,
        toy_oscillator.closure,
        toy_oscillator.regimes,
    ]


def draw(tree: xr.DataTree) -> dict[str, str]:
    """Draw the figures of a study of toys as SVG, by name."""
    return toy_figures.draw(tree["theory"].to_dataset())


def page_of(tree: xr.DataTree) -> Page:
    """The page of a study of toys."""
    held = tree["comparison"].to_dataset()
    config = json.loads(tree.attrs["config"])
    rows = [_row(held.isel(claim=i)) for i in range(held.sizes["claim"])]
    drawn = draw(tree)
    folds = {"How this was made": json.loads(tree.attrs["provenance"]), "Study": config}
    return Page(
        title=config["title"],
        subtitle=f"Sawtooth study {config['name']}: theory against simulations of toy losses.",
        claim=Markup(
            '<span class="network">{} of {}</span> claims of <span class="theory">theory</span> on '
            "toy losses hold as stated."
        ).format(int(held["passes"].sum()), len(rows)),
        figure=Figure(FIRST, drawn.pop(FIRST), CAPTIONS[FIRST]),
        sections=[
            Section("claims", "Claims", "toys.html", tables=[Table("Claims", HEAD, rows)]),
            *page.figure_sections(drawn, CAPTIONS),
            Section(
                "provenance",
                "Provenance",
                folds=[
                    Fold(title, json.dumps(content, indent=2, ensure_ascii=False))
                    for title, content in folds.items()
                ],
                open=False,
            ),
        ],
    )


def _row(one: xr.Dataset) -> list[str]:
    """A claim as cells of the table."""
    measured, predicted, error, tolerance = (
        float(one[name]) for name in ("measured", "predicted", "relative_error", "tolerance")
    )
    unit = str(one["unit"].values)
    return [
        str(one["claim"].values),
        Cell(f"{measured:.5g}", value=measured),
        Cell(f"{predicted:.5g}", value=predicted),
        "" if unit == "1" else unit,
        Cell(f"{error:+.1e}", value=abs(error)),
        Cell(f"{tolerance:g}", value=tolerance),
        verdict(bool(one["passes"])),
    ]
