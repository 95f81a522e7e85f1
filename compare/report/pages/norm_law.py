"""The page of ``sawtooth simulate norm``: the norm over time for gradients that are given."""

from __future__ import annotations

import numpy as np
import xarray as xr
from markupsafe import Markup

from compare.report.figures.over_time import norm_law
from compare.report.html.captions import NORM_LAW
from compare.report.html.page import Figure, Fold, Page, Section, as_json
from compare.report.tables.cells import Table, count, number, percent
from theory.vocabulary import label

HEAD = ("η", "λ", label("intrinsic_lr"), label("equilibrium_norm"), label("settling_steps"))


def draw(solved: xr.Dataset) -> dict[str, str]:
    """Draw the figure as SVG, by name."""
    return {"norm_law": norm_law.draw(solved)}


def page_of(solved: xr.Dataset) -> Page:
    """The page: what to expect of the first run, the figure, a row for each run."""
    measured = solved.get("measured_weight_norm")
    rows = [_row(solved.sel(run=run), measured) for run in solved["run"].values]
    last = [] if measured is None else ["measured over recursion, largest"]
    table = Table("Settings", [*HEAD, "ODE over recursion, largest", *last], rows)
    return Page(
        title="The weight norm for given gradients",
        subtitle=f"{solved['data'].values[0]}; {solved.sizes['run']} settings, "
        f"{int(solved['n_steps'].max())} steps.",
        claim=expectation(solved.isel(run=0)),
        figure=Figure("norm_law", norm_law.draw(solved), NORM_LAW),
        sections=[
            Section("settings", "Setting by setting", tables=[table]),
            Section(
                "provenance",
                "Provenance",
                folds=[Fold("How this was made", as_json(dict(solved.attrs)))],
                open=False,
            ),
        ],
    )


def expectation(one: xr.Dataset) -> Markup:
    """Where the norm of one run settles, and when."""
    rest, ahead = float(one["equilibrium_norm"]), float(one["settling_steps"])
    setting = f"η = {float(one['learning_rate']):g}, λ = {float(one['weight_decay']):g}"
    if not np.isfinite(rest):
        return Markup(
            "At {} nothing takes from the norm what gradients add: it only grows."
        ).format(setting)
    when = f"within {count(round(ahead))} steps" if np.isfinite(ahead) else "as these gradients go"
    return Markup('At {} the weight norm settles at <span class="theory">{}</span>, {}.').format(
        setting, number(rest), when
    )


def _row(one: xr.Dataset, measured: xr.DataArray | None) -> list[str]:
    """One run as cells of the table."""
    cells: list[str] = [
        number(float(one[name])) for name in ("learning_rate", "weight_decay", "intrinsic_lr")
    ]
    cells.append(number(float(one["equilibrium_norm"])))
    ahead = float(one["settling_steps"])
    cells.append(count(round(ahead)) if np.isfinite(ahead) else number(ahead))
    cells.append(percent(float(abs(one["ode_weight_norm"] / one["weight_norm"] - 1).max())))
    if measured is not None:
        cells.append(percent(float(abs(measured / one["weight_norm"] - 1).max())))
    return cells


def meaning(solved: xr.Dataset) -> str:
    """The first run's expectation as plain text, for the command line."""
    return str(expectation(solved.isel(run=0)).striptags())
