"""Run a study of toys: simulate every claim and write one file."""

import json
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from compare.study import store
from compare.study.design import ToyStudy
from compare.toy_claims import isotropic, losses, oscillator
from compare.toy_claims.claim import Finding, table


def run(study: ToyStudy, finished: Path) -> None:
    """Simulate the toys of a study and write what was found.

    Args:
        study: what to run.
        finished: the study file; an older one is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    findings = [claim(study) for claim in claims()]
    data = xr.merge([one.data for one in findings], join="exact", compat="no_conflicts")
    groups = {"theory": data, "empirical": xr.Dataset(), "comparison": table(findings)}
    provenance = json.dumps(store.provenance("cpu", ["float64"]))
    store.write(finished, groups, config=study.to_json(), provenance=provenance)


def claims() -> list[Callable[[ToyStudy], Finding]]:
    """What the study simulates: a function for each figure and its claims."""
    return [
        isotropic.fixed_point,
        isotropic.oscillations,
        isotropic.cycle,
        isotropic.entry_exit,
        isotropic.floor,
        losses.underflow,
        losses.blocks,
        losses.noise,
        losses.rayleigh,
        losses.logistic,
        oscillator.closure,
        oscillator.regimes,
    ]
