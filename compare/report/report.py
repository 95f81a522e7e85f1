"""The report: one self-contained HTML file made from a saved file alone."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from compare.report.figures.style import any_names
from compare.report.html import output
from compare.report.html.page import render as as_html
from compare.report.legible import legible
from compare.report.pages import forecast, norm_law, toys
from compare.report.pages import study as networks
from compare.report.pages.monitored import page as monitored
from compare.report.saved_study import SavedStudy
from compare.study import store
from theory.trajectory import require

NOT_IN_A_FILE = re.compile(r"[^\w.+=-]")  # in its name
LONGEST_NAME = 100
NORM_LAW = "ode_weight_norm"  # what only a solved norm has


def write(path: Path, study: xr.DataTree) -> None:
    """Write the report of a study atomically.

    Args:
        path: the HTML file; an older one is replaced.
        study: what ``compare.study.store.read`` returns.

    Raises:
        OSError: if it cannot be written, or something else than a report is there.
    """
    output.write_page(path, lambda: render(study))


def draw(study: xr.DataTree) -> dict[str, str]:
    """Draw the figures of a study as SVG, by name; those that its data allow."""
    kind, held = _kind(study)
    with any_names():
        drawn: dict[str, str] = kind.draw(held)
    return drawn


def write_figures(folder: Path, study: xr.DataTree) -> list[Path]:
    """Write the figures of a study as SVG files into a folder and return their paths.

    Raises:
        OSError: if they cannot be written, or something else than a figure is there.
    """
    drawn = {
        folder / f"{NOT_IN_A_FILE.sub('-', name)[:LONGEST_NAME]}.svg": svg
        for name, svg in draw(study).items()
    }
    output.write_figures(drawn)
    return list(drawn)


def render(study: xr.DataTree) -> str:
    """Render the report of a study as HTML."""
    kind, held = _kind(study)
    with any_names():
        return as_html(kind.page_of(held))


def _kind(study: xr.DataTree) -> tuple[ModuleType, Any]:
    """The module with ``draw`` and ``page_of`` for what a file holds, and what both take."""
    study = legible(study)
    if NORM_LAW in study.variables:
        return norm_law, study.to_dataset()
    if not study.children:
        return monitored, study.to_dataset()
    if store.is_toys(study):
        return toys, study
    if "forecast" in study.children:
        return forecast, study
    return networks, SavedStudy.of(study)


def default_path(source: Path, study: xr.DataTree) -> Path:
    """Where the report of a file goes if nobody says: beside it."""
    return source.with_name("report.html") if study.children else source.with_suffix(".html")


def render_report(dataset: xr.Dataset) -> str:
    """Render the report of a recorded Dataset as one self-contained HTML page.

        >>> from sawtooth import render_report, solve_norm
        >>> page = render_report(solve_norm(0.1, 0.1, grad_norm=1.0, rho0=2.0, n_steps=500))
        >>> page.startswith("<!doctype html>")
        True

    Args:
        dataset: trajectories of the schema, such as a monitor makes.

    Raises:
        ValueError: naming the variables that are missing.
    """
    require(dataset, "the dataset")
    return render(xr.DataTree(dataset))


def write_report(source: str | Path | xr.Dataset, out: str | Path | None = None) -> Path:
    """Write the report of a saved file, or of a recorded Dataset, as one HTML file.

        >>> from sawtooth import report
        >>> report("results/reference/width/study.nc", "width.html").name
        'width.html'

    Args:
        source: what ``run_study`` or a monitor has written, or a Dataset of the schema.
        out: the HTML file; by default beside the source. A Dataset needs it.

    Returns:
        Where the report is.

    Raises:
        ValueError: if the source cannot be reported, or ``out`` is needed and missing.
        OSError: if it cannot be written.
    """
    if isinstance(source, xr.Dataset):
        if out is None:
            raise ValueError("the report of a Dataset needs the name of a file")
        require(source, "the dataset")
        write(Path(out), xr.DataTree(source))
        return Path(out)
    source = Path(source)
    saved = store.read(source, bare=True)
    out = default_path(source, saved) if out is None else Path(out)
    with store.blaming(source):
        write(out, saved)
    return out
