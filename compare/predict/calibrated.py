"""Predictions of all models for the runs of a study, from calibrations that did not see them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration.calibrate import Calibration, Sample, calibrate, observe
from compare.calibration.held_out import Split
from compare.calibration.laws.regularised import Prior
from compare.predict import outlook
from theory import laws, trajectory
from theory.arrays import FloatArray
from theory.cycle_models import hazard_model, kick_model, kick_trajectories
from theory.cycle_models.kick_model import KickModel
from theory.trajectory import Runs, RunSpec

# what the outlook says of a run, as variables of the comparison named predicted_*
PREDICTED = (
    "regime",
    "regime_probability",
    "period",
    "period_low",
    "period_high",
    "mean_period_low",
    "mean_period_high",
    "first_jump",
    "first_jump_low",
    "first_jump_high",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
)
EXTRAPOLATED = (
    "period",
    "period_error",
    "mean_period_low",
    "mean_period_high",
    "first_jump",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
)
PROCESS = {
    "process_period": "period",
    "process_period_low": "period_low",
    "process_period_high": "period_high",
    "process_first_jump": "first_jump",
    "process_effective_lr_before_jump": "effective_lr_before_jump",
}
SETTING = ("learning_rate", "weight_decay", "momentum", "n_steps")
SPECIFIED = ("learning_rate", "weight_decay", "seed", "n_steps", "momentum", "variant")


@dataclass(frozen=True)
class Forecast:
    """What one calibration says about the runs that it may predict.

    Attributes:
        sample: what they were fitted to.
        calibration: the fitted models.
        predicted: ids of the runs.
    """

    sample: Sample
    calibration: Calibration
    predicted: tuple[str, ...]


def forecast(runs: Runs, split: Split, prior: Prior) -> Forecast:
    """Calibrate one split.

    Raises:
        ValueError: if no setting of its calibration runs is periodic.
    """
    sample = observe(runs, split.calibration)
    if not any(cycles.n_cycles and cycles.periodic for cycles in sample.settings):
        raise ValueError("no setting to calibrate on has a complete period of a sawtooth")
    return Forecast(sample, calibrate(sample, prior), split.predicted)


def columns(networks: xr.Dataset, forecasts: list[Forecast]) -> xr.Dataset:
    """Predictions along ``run``, named ``predicted_*`` for the kick model.

    ``process_*`` is the hazard process, ``baseline_period`` the constant, and
    ``power_law_period`` a line in logarithms. ``calibrated_on`` says how many runs at which
    values of ``eta lam`` made the prediction. NaN or "" for runs that no split may predict.
    """
    rows: dict[str, dict[str, Any]] = {}
    for one in forecasts:
        known = _values(networks, one.calibration.runs)
        memo: dict[tuple[float, ...], dict[str, Any]] = {}
        for run in one.predicted:
            own = networks.sel(run=run)
            key = tuple(float(own[name]) for name in SETTING)
            if key not in memo:
                memo[key] = {**_row(one, *key), "calibrated_on": known}
            rows[run] = memo[key]
    names = dict.fromkeys(name for row in rows.values() for name in row)
    texts = ("predicted_regime", "calibrated_on")
    return xr.Dataset(
        {
            name: ("run", [_get(rows, str(run), name, texts) for run in networks["run"].values])
            for name in names
        },
        {"run": networks["run"].values},
    )


def extrapolated(networks: xr.Dataset, forecasts: list[Forecast]) -> xr.Dataset:
    """Predictions from much faster settings along ``run``, named ``extrapolated_*``.

    ``extrapolated_baseline_period`` and ``extrapolated_power_law_period`` are those of the same
    runs without theory.
    """
    found = columns(networks, forecasts)
    kept = [f"predicted_{name}" for name in EXTRAPOLATED]
    kept += ["baseline_period", "power_law_period", "calibrated_on"]
    names = {name: f"extrapolated_{name.removeprefix('predicted_')}" for name in kept}
    return found[[name for name in kept if name in found]].rename(
        {name: names[name] for name in kept if name in found}
    )


def _row(
    one: Forecast, learning_rate: float, weight_decay: float, momentum: float, n_steps: float
) -> dict[str, Any]:
    """All predictions for one setting."""
    calibration, model = one.calibration, one.calibration.model
    decay = laws.long_run_decay(learning_rate, weight_decay, momentum)
    there = float(np.log(learning_rate / model.initial_norm**2))
    start = calibration.beginning.apparent(there)
    network = outlook.networks(calibration.laws, decay, start, n_steps=n_steps)
    # a period also where rest is the more probable: its error is to be seen
    found = outlook.summary(network, learning_rate, n_steps) | outlook.sawtooth(network, n_steps)
    row = {
        f"predicted_{name}": np.nan if found[name] is None else found[name] for name in PREDICTED
    }
    row["predicted_period_error"] = float(network.period.std())
    if calibration.process is not None:
        setting = (learning_rate, decay / learning_rate)
        drawn = hazard_model.predict(calibration.process, model, *setting)
        row |= {name: getattr(drawn, field) for name, field in PROCESS.items()}
    for name, law in (("baseline", calibration.baseline), ("power_law", calibration.power_law)):
        if law is not None:
            row[f"{name}_period"], row[f"{name}_period_error"] = law.period(decay)
            row[f"{name}_period_low"], row[f"{name}_period_high"] = law.single(decay)
    return row


def _get(rows: dict[str, dict[str, Any]], run: str, name: str, texts: tuple[str, ...]) -> Any:
    return rows.get(run, {}).get(name, "" if name in texts else float("nan"))


def _values(networks: xr.Dataset, runs: tuple[str, ...]) -> str:
    values = np.unique(networks["intrinsic_lr"].sel(run=list(runs)).values)
    return f"{len(runs)} runs at ηλ = {', '.join(f'{value:.3g}' for value in values)}"


def _path(model: KickModel, spec: RunSpec) -> dict[str, FloatArray]:
    """A sawtooth, or the way to rest where an equilibrium is predicted.

    With momentum the path of the norm alone: gradients do not follow from it.
    """
    decay = laws.long_run_decay(spec.learning_rate, spec.weight_decay, spec.momentum)
    setting = (spec.learning_rate, decay / spec.learning_rate)
    if kick_model.predict(model, *setting, n_steps=spec.n_steps).regime == "equilibrium":
        drawn = kick_trajectories.relax(model, *setting, n_steps=spec.n_steps)
    else:
        rng = np.random.default_rng([spec.seed, int(spec.intrinsic_lr * 1e12)])
        drawn = kick_trajectories.simulate(model, *setting, n_steps=spec.n_steps, rng=rng)
    return {"weight_norm": drawn["weight_norm"]} if spec.momentum else drawn


def simulate(networks: xr.Dataset, forecasts: list[Forecast]) -> xr.Dataset:
    """One path of the kick model for each predicted run, on the networks' steps."""
    model_of = {run: one.calibration.model for one in forecasts for run in one.predicted}
    specs = [
        RunSpec(float(lr), float(wd), int(seed), max(int(n_steps), 1), float(m), str(variant))
        for lr, wd, seed, n_steps, m, variant in zip(
            *(networks[name].values for name in SPECIFIED), strict=True
        )
    ]
    names = ("weight_norm", "effective_grad_norm", "train_loss")
    series = {name: np.full(networks["weight_norm"].shape, np.nan) for name in names}
    for i, spec in enumerate(specs):
        if (model := model_of.get(str(networks["run"].values[i]))) is None:
            continue
        for name, values in _path(model, spec).items():
            series[name][i, : spec.n_steps] = values
    theory = trajectory.build(
        specs,
        series,
        source="theory",
        model="kick model",
        data=str(networks["data"].values[0]),
        steps_per_epoch=1,
    )
    return theory.assign_coords(epoch=networks["epoch"], model=networks["model"])
