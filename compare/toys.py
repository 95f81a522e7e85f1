"""Run a study of toys: simulate every claim, write one file, render its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from compare import page, store, toy_figures
from compare.config import ToyStudy

if TYPE_CHECKING:
    from compare.toy_claims import Finding


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
    provenance = json.dumps(store.provenance("cpu"))
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


def render(tree: xr.DataTree, inline: Callable[[str], str]) -> str:
    """Render the report of a study of toys as HTML.

    Args:
        tree: the study.
        inline: turns an SVG into a data URI.
    """
    held = tree["comparison"].to_dataset()
    return page.render(
        "toys.html",
        config=json.loads(tree.attrs["config"]),
        provenance=json.loads(tree.attrs["provenance"]),
        figures={name: inline(svg) for name, svg in draw(tree).items()},
        rows=[_row(held.isel(claim=i)) for i in range(held.sizes["claim"])],
        n_passed=int(held["passes"].sum()),
    )


def _row(one: xr.Dataset) -> list[str]:
    """A claim as cells of the table."""
    measured, predicted, error, tolerance = (
        float(one[name]) for name in ("measured", "predicted", "relative_error", "tolerance")
    )
    unit = str(one["unit"].values)
    return [
        str(one["claim"].values),
        f"{measured:.5g}",
        f"{predicted:.5g}",
        "" if unit == "1" else unit,
        f"{error:+.1e}",
        f"{tolerance:g}",
        "holds" if int(one["passes"]) else "fails",
    ]
