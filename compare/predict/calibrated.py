"""Predictions of all models for the runs of a study, from calibrations that did not see them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration.calibrate import Calibration, Sample, calibrate, observe, resample
from compare.calibration.held_out import Split
from theory import trajectory
from theory.arrays import FloatArray
from theory.cycle_models import hazard_model, kick_model, kick_trajectories
from theory.cycle_models.kick_model import KickModel
from theory.trajectory import Runs, RunSpec

# variable of the comparison: field of the model's prediction
KICK_MODEL = {
    "predicted_period": "period",
    "predicted_period_low": "period_low",
    "predicted_period_high": "period_high",
    "predicted_first_jump": "first_jump",
    "predicted_effective_lr_before_jump": "effective_lr_before_jump",
    "predicted_effective_lr_after_jump": "effective_lr_after_jump",
    "predicted_regime": "regime",
    "predicted_regime_probability": "regime_probability",
}
PROCESS = {
    "process_period": "period",
    "process_period_low": "period_low",
    "process_period_high": "period_high",
    "process_first_jump": "first_jump",
    "process_effective_lr_before_jump": "effective_lr_before_jump",
}
SPECIFIED = ("learning_rate", "weight_decay", "seed", "n_steps", "momentum", "variant")


@dataclass(frozen=True)
class Forecast:
    """What one calibration says about the runs that it may predict.

    Attributes:
        sample: what they were fitted to.
        calibration: the fitted models.
        resampled: the kick model, refitted to resampled seeds.
        predicted: ids of the runs.
    """

    sample: Sample
    calibration: Calibration
    resampled: list[KickModel]
    predicted: tuple[str, ...]


def forecast(runs: Runs, split: Split) -> Forecast:
    """Calibrate one split.

    Raises:
        ValueError: if its calibration runs do not allow it.
    """
    sample = observe(runs, split.calibration, named=split.named)
    return Forecast(sample, calibrate(sample), resample(sample), split.predicted)


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
            key = tuple(float(own[name]) for name in ("learning_rate", "weight_decay", "n_steps"))
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


def _row(one: Forecast, learning_rate: float, weight_decay: float, n_steps: float) -> Any:
    """All predictions for one setting."""
    calibration, intrinsic_lr = one.calibration, learning_rate * weight_decay
    model = calibration.model
    cycle = kick_model.predict(model, learning_rate, weight_decay, n_steps=n_steps)
    drawn = hazard_model.predict(calibration.process, model, learning_rate, weight_decay)
    others = [kick_model.mean_cycle(other, intrinsic_lr).period for other in one.resampled]
    return {
        **{name: getattr(cycle, field) for name, field in KICK_MODEL.items()},
        **{name: getattr(drawn, field) for name, field in PROCESS.items()},
        "predicted_period_error": float(np.std(others)) if len(others) > 1 else float("nan"),
        "baseline_period": calibration.baseline / intrinsic_lr,
        "power_law_period": float(np.exp(calibration.power_law(intrinsic_lr))),
    }


def _get(rows: dict[str, dict[str, Any]], run: str, name: str, texts: tuple[str, ...]) -> Any:
    return rows.get(run, {}).get(name, "" if name in texts else float("nan"))


def _values(networks: xr.Dataset, runs: tuple[str, ...]) -> str:
    values = np.unique(networks["intrinsic_lr"].sel(run=list(runs)).values)
    return f"{len(runs)} runs at ηλ = {', '.join(f'{value:.3g}' for value in values)}"


def _path(model: KickModel, spec: RunSpec) -> dict[str, FloatArray]:
    """A sawtooth, or the way to rest where an equilibrium is predicted."""
    setting = (spec.learning_rate, spec.weight_decay)
    if kick_model.predict(model, *setting, n_steps=spec.n_steps).regime == "equilibrium":
        return kick_trajectories.relax(model, *setting, n_steps=spec.n_steps)
    rng = np.random.default_rng([spec.seed, int(spec.intrinsic_lr * 1e12)])
    return kick_trajectories.simulate(model, *setting, n_steps=spec.n_steps, rng=rng)


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
        drawn = _path(model, spec)
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
