"""The page of ``sawtooth simulate norm``: the norm over time for gradients that are given."""

import numpy as np
import xarray as xr
from markupsafe import Markup

from compare.report.figures.over_time import norm_law
from compare.report.html.captions import NORM_LAW
from compare.report.html.page import Figure, Fold, Page, Section, as_json
from compare.report.pages.headline import fixed
from compare.report.tables.cells import Cell, Table, count, number
from theory.vocabulary import label

HEAD = ("η", "λ", label("intrinsic_lr"), label("equilibrium_norm"), label("settling_steps"))

SETTING = ("learning_rate", "weight_decay")


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
        subtitle=f"{solved['data'].values[0]}; {_settings(solved)}, "
        f"{count(int(solved['n_steps'].max()))} steps.",
        claim=expectation(solved),
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


def _settings(solved: xr.Dataset) -> str:
    n_runs = solved.sizes["run"]
    return "one setting" if n_runs == 1 else f"{n_runs} settings"


def expectation(solved: xr.Dataset) -> Markup:
    """Where the norm of the first run settles and when, or how well theory follows a recording."""
    one, measured = solved.isel(run=0), solved.get("measured_weight_norm")
    setting = f"η = {float(one['learning_rate']):g}, λ = {float(one['weight_decay']):g}"
    apart = Markup("the norm ODE is off the exact recursion by at most {}.").format(
        _share(_difference(one["ode_weight_norm"], one))
    )
    found = _measured_difference(one, measured)
    every = 1 if measured is None else int(measured.attrs.get("record_every", 1))
    if np.isfinite(found) and every > 1:
        return Markup(
            "Records are {} steps apart and the gradients between them are guessed, so the "
            'recursion strays from the measured <span class="network">norm</span> by up to {}; {}'
        ).format(every, _share(found), apart)
    if np.isfinite(found):
        return Markup(
            "With the recorded gradients alone, the exact recursion meets the "
            'measured <span class="network">norm</span> to <span class="theory">{}</span>; {}'
        ).format(_share(found), apart)
    rest, ahead = float(one["equilibrium_norm"]), float(one["settling_steps"])
    if not np.isfinite(rest) or not np.isfinite(ahead):
        ends = (number(float(one["weight_norm"][i])) for i in (0, -1))
        return Markup("At {} the weight norm goes from {} to {} in {} steps; {}").format(
            setting, *ends, count(int(one["n_steps"])), apart
        )
    return Markup(
        'At {} the weight norm settles at <span class="theory">{}</span>, within {} steps; {}'
    ).format(setting, number(rest), count(round(ahead)), apart)


def _row(one: xr.Dataset, measured: xr.DataArray | None) -> list[str]:
    """One run as cells of the table."""
    names = ("learning_rate", "weight_decay", "intrinsic_lr", "equilibrium_norm")
    ahead = float(one["settling_steps"])
    cells: list[str] = [
        *(number(float(one[name])) for name in names),
        count(round(ahead)) if np.isfinite(ahead) else number(ahead),
        _share(_difference(one["ode_weight_norm"], one)),
    ]
    return cells if measured is None else [*cells, _share(_measured_difference(one, measured))]


def _difference(norm: xr.DataArray, one: xr.Dataset) -> float:
    """Largest relative difference of a norm from the recursion."""
    return float(abs(norm / one["weight_norm"] - 1).max())


def _measured_difference(one: xr.Dataset, measured: xr.DataArray | None) -> float:
    """The same of the measured norm; NaN for a setting or a law that is not the recorded run's."""
    if measured is None or measured.attrs["no_norm_law"]:
        return np.nan
    same = all(float(one[name]) == measured.attrs[name] for name in SETTING)
    return _difference(measured, one) if same else np.nan


def _share(value: float) -> Cell:
    """A fraction in per cent to three digits, however small."""
    text = number(100 * value)
    return Cell(fixed(f"{text} %") if np.isfinite(value) else text, value=value)


def meaning(solved: xr.Dataset) -> str:
    """What the page says first, as plain text, for the command line."""
    return str(expectation(solved).striptags())
