"""Put theory, networks and their comparison on the same runs."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from compare.calibration import held_out, parameter_table
from compare.calibration.calibrate import to_json
from compare.measure import edge_of_stability, exact_laws, loss_laws, minima, phases
from compare.measure import twins as directions
from compare.measure.observables import measure
from compare.predict import calibrated, first_jump, sphere_equilibrium
from compare.study.design import Study
from theory.vocabulary.attributes import describe_comparison

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


def compare_with_theory(
    networks: xr.Dataset, study: Study
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Calibrate, predict what was not calibrated on, and set theory and networks side by side.

    Args:
        networks: measured trajectories.
        study: that trained them; it says which runs a model may be fitted to, and which runs
            predict what of others.

    Returns:
        The theory's trajectories on the same runs and steps, the comparison along ``run``, and
        the calibration as a table. Where calibration is refused, theory and table are empty and
        the attribute ``reason_prediction`` of the comparison says why.
    """
    observed = measure(networks).merge(exact_laws.check_laws(networks))
    observed = observed.merge(edge_of_stability.before_first_jump(networks, observed["first_jump"]))
    observed = observed.merge(loss_laws.fit(networks))
    observed = observed.merge(directions.compare(networks, study.twins))
    observed = observed.merge(first_jump.predict(networks, study.spheres))
    at_rest = sphere_equilibrium.predict(networks, observed["regime"], study.at_fixed_norm)
    observed = observed.merge(at_rest)
    observed = observed.merge(phases.measure(networks))
    observed = observed.merge(minima.compare(networks, observed))
    regimes = [study.expected.get(str(run), "") for run in networks["run"].values]
    observed["expected_regime"] = ("run", regimes)
    observed = observed.assign_coords(_run_coordinates(networks, study.roles))
    observed["predicted_equilibrium_norm"] = exact_laws.equilibrium_from_gradient(observed)
    try:
        plan = held_out.splits(networks, study.roles, leave_one_out=study.leave_one_out)
        forecasts = [calibrated.forecast(networks, split) for split in plan]
        final = _final(networks, plan, forecasts)
    except ValueError as refusal:
        observed.attrs["reason_prediction"] = str(refusal)
        return networks[["n_steps"]], describe_comparison(observed), xr.Dataset()
    observed = observed.merge(calibrated.columns(networks, forecasts))
    theory = calibrated.simulate(networks, forecasts)
    observed = observed.merge(phases.predict(theory).assign_coords(run=observed["run"].values))
    observed.attrs["calibration"] = to_json(final.calibration)
    table = parameter_table.build(final.calibration, final.resampled, final.sample.settings)
    return theory, describe_comparison(observed), table


def _final(
    networks: xr.Dataset, plan: list[held_out.Split], forecasts: list[calibrated.Forecast]
) -> calibrated.Forecast:
    """The calibration to keep for settings that the study has not: of all that may serve."""
    if len(plan) == 1:
        return forecasts[0]
    runs = tuple(run for split in plan for run in split.predicted)
    return calibrated.forecast(networks, held_out.Split(runs, (), named=False))


def _run_coordinates(networks: xr.Dataset, roles: Mapping[str, str]) -> dict[str, xr.DataArray]:
    """Coordinates along ``run``, with the role of each run."""
    coordinates = {name: networks[name] for name in COORDINATES}
    labels = [roles[str(run)] for run in networks["run"].values]
    return {**coordinates, "role": xr.DataArray(labels, {"run": networks["run"]}, ["run"])}
