"""Numbers of a whole study, by their names in ``METRICS``: what its first screen says."""

import numpy as np
import xarray as xr

from compare.measure import over_seeds
from compare.measure.over_seeds import with_period
from compare.predict.errors import absolute_errors, interval_coverage, median_absolute_error


def of_study(
    networks: xr.Dataset, comparison: xr.Dataset, settings: xr.Dataset
) -> dict[str, float]:
    """Score a study.

    Args:
        networks: trajectories.
        comparison: the comparison along ``run``.
        settings: what ``metrics.by_setting`` makes of it.

    Returns:
        Values by name; those that the study says nothing about are left out.
    """
    periodic = comparison["regime"].values == "periodic"
    scores = {
        "n_runs": float(comparison.sizes["run"]),
        "n_periodic": float(periodic.sum()),
        "n_jumps": float(comparison["n_jumps"].values[periodic].sum()),
        "total_steps": float(networks["n_steps"].sum()),
        "largest_residual": float(comparison["norm_law_residual"].max()),
    }
    if np.isnan(scores["largest_residual"]):  # no run was held to the law
        del scores["largest_residual"]
    said = comparison["expected_regime"].values != ""
    if said.any():
        scores["share_as_expected"] = 100 * float(
            over_seeds.as_expected(comparison).values[said].mean()
        )
    if "predicted_period" in settings and len(absolute_errors(settings, "period")):
        scores |= _of_prediction(comparison, settings)
    if "extrapolated_period" in settings:
        scores |= _of_extrapolation(settings)
    return scores


def _of_extrapolation(settings: xr.Dataset) -> dict[str, float]:
    """How well slow settings were predicted from fast ones; empty where none can be judged."""
    errors = absolute_errors(settings, "period", source="extrapolated")
    if not len(errors):
        return {}
    found = {"n_extrapolated": float(len(errors)), "extrapolation_error": float(np.median(errors))}
    for name in ("power_law", "baseline"):
        if f"extrapolated_{name}_period" in settings:
            simple = absolute_errors(settings, "period", source=f"extrapolated_{name}")
            if len(simple):
                found[f"extrapolation_{name}_error"] = float(np.median(simple))
    return {name: value if name.startswith("n_") else 100 * value for name, value in found.items()}


def _of_prediction(comparison: xr.Dataset, settings: xr.Dataset) -> dict[str, float]:
    """How well held-out settings were predicted."""
    errors = absolute_errors(settings, "period")
    held_out = (comparison["role"] == "held_out") & (comparison["predicted_regime"] != "")
    chosen = comparison.isel(run=held_out.values)
    known = with_period(settings)
    uncertainty = (known["period_sem"] / known["period"]).values[known["role"] == "held_out"]
    simple = {
        f"{source}_error": 100 * median_absolute_error(settings, "period", source=source)
        for source in ("baseline", "power_law")
        if f"{source}_period" in settings  # one setting to fit has no power law
    }
    return simple | {
        "n_held_out": float(len(errors)),
        "model_error": 100 * float(np.median(errors)),
        "largest_model_error": 100 * float(np.max(errors)),
        "uncertainty": 100 * float(np.median(uncertainty)),
        "regime_right": 100 * float((chosen["predicted_regime"] == chosen["regime"]).mean()),
        "coverage": 100 * interval_coverage(chosen, single_periods(chosen)),
    }


def single_periods(comparison: xr.Dataset) -> dict[str, list[float]]:
    """All single periods of the periodic runs, by run id, steps."""
    periodic = comparison.isel(run=(comparison["regime"] == "periodic").values)
    onsets = dict(zip(periodic["run"].values, periodic["cycle_onset"].values, strict=True))
    return {str(run): np.diff(own[np.isfinite(own)]).tolist() for run, own in onsets.items()}
