"""Put theory, networks and their comparison on the same runs."""

import contextlib
from collections.abc import Mapping

import numpy as np
import xarray as xr

from compare.calibration import held_out, parameter_table
from compare.calibration.calibrate import to_json
from compare.calibration.laws import network_size, priors
from compare.calibration.laws.regularised import Prior
from compare.measure import edge_of_stability, phases
from compare.measure import twins as directions
from compare.measure.laws import exact_laws, loss_laws
from compare.measure.minima import successive
from compare.measure.observables import measure
from compare.predict import calibrated, first_jump, sphere_equilibrium
from compare.study.design import Study
from theory.trajectory import Runs, read_runs
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
    runs = read_runs(networks)
    observed = _observe(networks, runs, study)
    try:
        plan = held_out.splits(networks, runs, study.roles, leave_one_out=study.leave_one_out)
        prior = _prior(networks, plan, study)
        forecasts = [calibrated.forecast(runs, split, prior) for split in plan]
        final = forecasts[0] if len(plan) == 1 else _of_all(runs, plan, prior)
    except ValueError as refusal:
        observed.attrs["reason_prediction"] = str(refusal)
        return networks[["n_steps"]], describe_comparison(observed), xr.Dataset()
    observed = observed.merge(calibrated.columns(networks, forecasts))
    if study.leave_one_out:
        observed = observed.merge(_extrapolated(networks, runs, prior))
    theory = calibrated.simulate(networks, forecasts)
    observed = observed.merge(phases.predict(read_runs(theory)).assign_coords(run=networks["run"]))
    observed.attrs["calibration"] = to_json(final.calibration)
    table = parameter_table.build(final.calibration, final.sample.settings)
    return theory, describe_comparison(observed), table


def _observe(networks: xr.Dataset, runs: Runs, study: Study) -> xr.Dataset:
    """What is measured of the networks, and what their own gradients predict of them."""
    observed = measure(runs).merge(exact_laws.check_laws(runs)).merge(phases.measure(runs))
    first, regime = observed["first_jump"], observed["regime"]
    further = (
        edge_of_stability.before_first_jump(networks, first),
        loss_laws.fit(networks),
        directions.compare(networks, study.twins),
        first_jump.predict(networks, study.spheres),
        sphere_equilibrium.predict(networks, regime, study.at_fixed_norm),
        successive.compare(networks, observed),
    )
    observed = xr.merge([observed, *further], join="outer", compat="no_conflicts")
    expected = [study.expected.get(run, "") for run in runs]
    observed["expected_regime"] = ("run", expected)
    observed = observed.assign_coords(_run_coordinates(networks, study.roles))
    observed["predicted_equilibrium_norm"] = exact_laws.equilibrium_from_gradient(observed)
    return observed


def _prior(networks: xr.Dataset, plan: list[held_out.Split], study: Study) -> Prior:
    """Prior of the network that is calibrated, from other networks trained alike."""
    known = networks.sel(run=list(plan[0].calibration))
    one = known.isel(run=0)
    return priors.prior_of(
        study.recipes[str(one["run"].values)],
        learning_rate=float(np.exp(np.log(known["learning_rate"]).mean())),
        momentum=float(one["momentum"]),
        size=network_size.recorded(one),
    )


def _extrapolated(networks: xr.Dataset, runs: Runs, prior: Prior) -> xr.Dataset:
    """What settings at least ten times faster say of each; empty where there are none."""
    made = []
    for split in held_out.extrapolations(networks, runs):
        with contextlib.suppress(ValueError):  # fast runs without a period say nothing
            made.append(calibrated.forecast(runs, split, prior))
    return calibrated.extrapolated(networks, made) if made else xr.Dataset()


def _of_all(runs: Runs, plan: list[held_out.Split], prior: Prior) -> calibrated.Forecast:
    """The calibration to keep for settings that the study has not: of all that may serve."""
    everyone = tuple(run for split in plan for run in split.predicted)
    return calibrated.forecast(runs, held_out.Split(everyone, ()), prior)


def _run_coordinates(networks: xr.Dataset, roles: Mapping[str, str]) -> dict[str, xr.DataArray]:
    """Coordinates along ``run``, with the role of each run."""
    coordinates = {name: networks[name] for name in COORDINATES}
    labels = [roles[str(run)] for run in networks["run"].values]
    return {**coordinates, "role": xr.DataArray(labels, {"run": networks["run"]}, ["run"])}
