"""Put theory, networks and their comparison on the same runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from compare import (
    calibration_table,
    checks,
    first_jump,
    forecast,
    held_out,
    metrics,
    minima,
    phases,
    sphere_equilibrium,
    sphere_laws,
    stability,
)
from compare import twins as directions
from compare.calibrate import to_json
from compare.observables import measure

COORDINATES = (
    "learning_rate",
    "weight_decay",
    "intrinsic_lr",
    "momentum",
    "seed",
    "model",
    "data",
    "variant",
    "update_rule",
)


def compare(
    networks: xr.Dataset,
    roles: Mapping[str, str],
    *,
    expected: Mapping[str, str] | None = None,
    twins: Mapping[str, str] | None = None,
    spheres: Mapping[str, Sequence[str]] | None = None,
    at_fixed_norm: Mapping[str, tuple[str, ...]] | None = None,
    leave_one_out: bool = False,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Calibrate, predict what was not calibrated on, and set theory and networks side by side.

    Args:
        networks: measured trajectories.
        roles: ``calibration`` or ``held_out`` for each run id.
        expected: regime that the study expects of a run, by run id, where it does.
        twins: id of the run with the same directions, by run id, where there is one.
        spheres: ids of the sphere runs that predict a run's first jump, by its id.
        at_fixed_norm: ids of the sphere runs that predict a run's equilibrium, by its id.
        leave_one_out: predict each setting by all others, instead of going by roles.

    Returns:
        The theory's trajectories on the same runs and steps, the comparison along ``run``, and
        the calibration as a table. Where calibration is refused, theory and table are empty and
        the attribute ``reason_prediction`` of the comparison says why.
    """
    observed = measure(networks).merge(checks.check_laws(networks))
    observed = observed.merge(stability.before_first_jump(networks, observed["first_jump"]))
    observed = observed.merge(sphere_laws.fit(networks))
    observed = observed.merge(directions.compare(networks, twins or {}))
    observed = observed.merge(first_jump.predict(networks, spheres or {}))
    at_rest = sphere_equilibrium.predict(networks, observed["regime"], at_fixed_norm or {})
    observed = observed.merge(at_rest)
    observed = observed.merge(phases.measure(networks))
    observed = observed.merge(minima.compare(networks, observed))
    regimes = [(expected or {}).get(str(run), "") for run in networks["run"].values]
    observed["expected_regime"] = ("run", regimes)
    observed = observed.assign_coords(_run_coordinates(networks, roles))
    observed["predicted_equilibrium_norm"] = checks.equilibrium_from_gradient(observed)
    try:
        plan = held_out.splits(networks, roles, leave_one_out=leave_one_out)
        forecasts = [forecast.forecast(networks, split) for split in plan]
        final = _final(networks, plan, forecasts)
    except ValueError as refusal:
        observed.attrs["reason_prediction"] = str(refusal)
        return networks[["n_steps"]], metrics.describe(observed), xr.Dataset()
    observed = observed.merge(forecast.columns(networks, forecasts))
    theory = forecast.simulate(networks, forecasts)
    observed = observed.merge(phases.predict(theory).assign_coords(run=observed["run"].values))
    observed.attrs["calibration"] = to_json(final.calibration)
    table = calibration_table.build(final.calibration, final.resampled, final.sample.settings)
    return theory, metrics.describe(observed), table


def _final(
    networks: xr.Dataset, plan: list[held_out.Split], forecasts: list[forecast.Forecast]
) -> forecast.Forecast:
    """The calibration to keep for settings that the study has not: of all that may serve."""
    if len(plan) == 1:
        return forecasts[0]
    runs = tuple(run for split in plan for run in split.predicted)
    return forecast.forecast(networks, held_out.Split(runs, (), named=False))


def _run_coordinates(networks: xr.Dataset, roles: Mapping[str, str]) -> dict[str, xr.DataArray]:
    """Coordinates along ``run``, with the role of each run."""
    coordinates = {name: networks[name] for name in COORDINATES}
    labels = [roles[str(run)] for run in networks["run"].values]
    return {**coordinates, "role": xr.DataArray(labels, {"run": networks["run"]}, ["run"])}
