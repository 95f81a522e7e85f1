"""What can be asked of a recorded Dataset: from a monitor, a training or a simulation."""

from typing import Any

import numpy as np
import xarray as xr

from compare.measure import observables
from compare.measure.laws import exact_laws
from theory.cycle_models.next_jump.from_run import DECAYED
from theory.trajectory import Runs, read_runs, recorded_with, require
from theory.vocabulary.attributes import describe

DECAYING = (*DECAYED, "growing")  # rules by whose decay regimes can be told


def observe(trajectories: xr.Dataset) -> xr.Dataset:
    """Measure jumps, periods, regime and equilibrium of every run, and check the exact laws.

    An estimate from too little data is NaN, with the reason beside it in ``reason_<name>``.

        >>> from sawtooth import observe, simulate
        >>> toy = simulate("isotropic", 0.1, 0.1, n_steps=2000)
        >>> found = observe(toy)
        >>> found["regime"].item(), found["n_jumps"].item()
        ('periodic', 12.0)

    Args:
        trajectories: a Dataset of the schema on (``run``, ``step``), such as a monitor, ``sawtooth
            train`` or ``simulate`` make.

    Returns:
        Along ``run``: ``n_jumps``, ``first_jump`` and ``period`` in steps, ``regime`` ("" for an
        update rule by whose decay it cannot be told), ``effective_lr_before_jump``,
        ``equilibrium_norm``, ``norm_law_residual`` and the other observables of a study.

    Raises:
        ValueError: naming what the Dataset lacks.
    """
    require(trajectories, "the dataset")
    runs = read_runs(trajectories)
    observed = observables.measure(runs).merge(_check(trajectories, runs))
    strange = ~np.isin(trajectories["update_rule"].values, DECAYING)
    observed["regime"] = ("run", np.where(strange, "", observed["regime"].values))
    return describe(observed, "measured")


def check_laws(trajectories: xr.Dataset) -> xr.Dataset:
    """Hold every recorded step against the exact laws of its optimizer; they have no free number.

    Rounding leaves about 1e-7 in float32. A larger residual means that the weights are not
    scale-invariant, or that something else than the optimizer moved them.

        >>> from sawtooth import check_laws, simulate
        >>> toy = simulate("isotropic", 0.1, 0.1, n_steps=500)
        >>> bool(check_laws(toy)["norm_law_residual"] < 1e-12)
        True

    Source: Lobacheva et al. 2021 (arXiv 2106.15739) and Amin et al. 2026 (2609.09116); laws 2, 3
    and 4 of docs/theory.md.

    Args:
        trajectories: a Dataset of the schema on (``run``, ``step``).

    Returns:
        Along ``run``: ``norm_law_residual``, ``elr_law_residual`` and ``angle_law_residual``, the
        largest relative deviations; ``jump_agreement``, a share of the steps; NaN and
        ``reason_norm_law_residual`` where no law is known for the update, and where one fails the
        cause that the record shows. Steps in which a weight had no gradient are left out: the
        optimizer does not touch that weight.

    Raises:
        ValueError: naming what the Dataset lacks.
    """
    require(trajectories, "the dataset")
    return describe(_check(trajectories, read_runs(trajectories)), "measured")


def _check(trajectories: xr.Dataset, runs: Runs) -> xr.Dataset:
    """The law checks, and what is known of a monitored optimizer if they fail."""
    return exact_laws.check_laws(runs, {run: _known(trajectories, run) for run in runs})


def _known(trajectories: xr.Dataset, run: str) -> dict[str, Any]:
    """What ``law_failures.explain`` may know besides the run itself."""
    optimizer = trajectories["optimizer"].sel(run=run).item() if "optimizer" in trajectories else ""
    return {
        "optimizer": str(optimizer),
        "weights_dtype": str(recorded_with(trajectories, run, "weights_dtype") or ""),
        "normalisation_eps": float(recorded_with(trajectories, run, "normalisation_eps") or 0.0),
    }
