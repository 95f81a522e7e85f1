"""The page of a study of toys."""

import json

import xarray as xr
from markupsafe import Markup

from compare.report.figures.toys.draw import draw as draw_figures
from compare.report.html.page import Figure, Fold, Page, Section, as_json, figure_sections
from compare.report.html.toy_captions import CAPTIONS
from compare.report.tables.cells import Cell, Table, verdict

HEAD = ("claim", "measured", "predicted", "unit", "relative error", "tolerance", "verdict")
FIRST = "closure"  # the figure of the first screen


def draw(tree: xr.DataTree) -> dict[str, str]:
    """Draw the figures of a study of toys as SVG, by name."""
    return draw_figures(tree["theory"].to_dataset())


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
            *figure_sections(drawn, CAPTIONS),
            Section(
                "provenance",
                "Provenance",
                folds=[Fold(title, as_json(content)) for title, content in folds.items()],
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
