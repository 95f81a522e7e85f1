"""Put theory, networks and their comparison on the same runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from compare import checks, metrics, minima, phases, sphere_laws, stability
from compare import twins as directions
from compare.calibrate import Calibration, calibrate
from compare.observables import measure
from theory import reduced, trajectory
from theory.trajectory import RunSpec

PREDICTED = (
    "period",
    "period_low",
    "period_high",
    "first_jump",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
)

SPECIFIED = ("learning_rate", "weight_decay", "seed", "n_steps", "momentum", "variant")
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
BoolArray = npt.NDArray[np.bool_]


def compare(
    networks: xr.Dataset,
    roles: Mapping[str, str],
    *,
    expected: Mapping[str, str] | None = None,
    twins: Mapping[str, str] | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Calibrate on the calibration runs, predict all runs, and set both side by side.

    Args:
        networks: measured trajectories.
        roles: ``calibration`` or ``held_out`` for each run id.
        expected: regime that theory says of a run, by run id, where it says one.
        twins: id of the run with the same directions, by run id, where there is one.

    Returns:
        The theory's trajectories on the same runs and steps, and the comparison along ``run``.
        Where calibration is refused, the theory is empty and the attribute
        ``reason_prediction`` of the comparison says why.
    """
    observed = measure(networks).merge(checks.check_laws(networks))
    observed = observed.merge(stability.before_first_jump(networks, observed["first_jump"]))
    observed = observed.merge(sphere_laws.fit(networks))
    observed = observed.merge(directions.compare(networks, twins or {}))
    observed = observed.merge(phases.measure(networks))
    observed = observed.merge(minima.compare(networks, observed))
    regimes = [(expected or {}).get(str(run), "") for run in networks["run"].values]
    observed["expected_regime"] = ("run", regimes)
    observed = observed.assign_coords(_run_coordinates(networks, roles))
    observed["predicted_equilibrium_norm"] = checks.equilibrium_from_gradient(observed)
    chosen = [str(run) for run in networks["run"].values if roles[str(run)] == "calibration"]
    try:
        alike = _alike(networks, chosen)
        calibration = calibrate(networks, chosen)
    except ValueError as refusal:
        observed.attrs["reason_prediction"] = str(refusal)
        return networks[["n_steps"]], metrics.describe(observed)
    theory = _simulate(calibration, networks, alike)
    observed = observed.merge(_predict(calibration, theory, observed, alike))
    observed = observed.merge(phases.predict(theory).assign_coords(run=observed["run"].values))
    observed.attrs["calibration"] = json.dumps(asdict(calibration))
    return theory, metrics.describe(observed)


def _alike(networks: xr.Dataset, chosen: list[str]) -> BoolArray:
    """Runs that differ from the calibration runs in rate, decay and seed alone, (n_runs,).

    Raises:
        ValueError: if the calibration runs themselves differ in more.
    """
    if not chosen:
        raise ValueError("no run has the role calibration")
    alike = np.ones(networks.sizes["run"], dtype=bool)
    for name in ("variant", "momentum", "model", "data", "update_rule"):
        values = np.unique(networks[name].sel(run=chosen).values)
        if len(values) > 1:
            found = ", ".join(map(str, values))
            raise ValueError(f"calibration runs must agree in {name}, got {found}")
        alike &= networks[name].values == values[0]
    return alike


def _run_coordinates(networks: xr.Dataset, roles: Mapping[str, str]) -> dict[str, xr.DataArray]:
    """Coordinates along ``run``, with the role of each run."""
    coordinates = {name: networks[name] for name in COORDINATES}
    labels = [roles[str(run)] for run in networks["run"].values]
    return {**coordinates, "role": xr.DataArray(labels, {"run": networks["run"]}, ["run"])}


def _simulate(calibration: Calibration, networks: xr.Dataset, alike: BoolArray) -> xr.Dataset:
    """One draw of the kick model for each run, on the networks' steps."""
    specs = [
        RunSpec(float(lr), float(wd), int(seed), max(int(n_steps), 1), float(m), str(variant))
        for lr, wd, seed, n_steps, m, variant in zip(
            *(networks[name].values for name in SPECIFIED), strict=True
        )
    ]
    names = ("weight_norm", "effective_grad_norm", "train_loss")
    series = {name: np.full(networks["weight_norm"].shape, np.nan) for name in names}
    for i, spec in enumerate(specs):
        if spec.weight_decay == 0 or not alike[i]:  # nothing raises elr: no cycle to predict
            continue
        rng = np.random.default_rng([spec.seed, int(spec.intrinsic_lr * 1e12)])
        drawn = reduced.simulate(
            calibration.model, spec.learning_rate, spec.weight_decay, n_steps=spec.n_steps, rng=rng
        )
        for name in names:
            series[name][i, : spec.n_steps] = drawn[name]
    theory = trajectory.build(
        specs,
        series,
        source="theory",
        model="kick model",
        data=str(networks["data"].values[0]),
        steps_per_epoch=1,
    )
    return theory.assign_coords(epoch=networks["epoch"], model=networks["model"])


def _predict(
    calibration: Calibration, theory: xr.Dataset, observed: xr.Dataset, alike: BoolArray
) -> xr.Dataset:
    """Predictions for every run, named ``predicted_*``, and the baseline's period."""
    predictions = [
        reduced.predict(calibration.model, float(lr), float(wd)) if wd > 0 and same else None
        for lr, wd, same in zip(
            observed["learning_rate"].values, observed["weight_decay"].values, alike, strict=True
        )
    ]
    columns: dict[str, Any] = {
        f"predicted_{name}": ("run", [getattr(one, name, np.nan) for one in predictions])
        for name in PREDICTED
    }
    regimes = np.where(alike, measure(theory)["regime"].values, "")
    columns["predicted_regime"] = ("run", regimes)
    with np.errstate(divide="ignore"):
        baseline = calibration.baseline / observed["intrinsic_lr"].values
    known = np.isfinite(baseline) & alike
    columns["baseline_period"] = ("run", np.where(known, baseline, np.nan))
    power_law = [
        float(np.exp(calibration.power_law(x))) if x > 0 and same else np.nan
        for x, same in zip(observed["intrinsic_lr"].values, alike, strict=True)
    ]
    columns["power_law_period"] = ("run", power_law)
    return xr.Dataset(columns, {"run": observed["run"].values})
