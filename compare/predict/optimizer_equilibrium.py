"""Where the norm of one run will settle, by the optimizer that moves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.measure.laws.law_failures import FEELS_SCALE, RADIAL, radial_cosine
from theory.laws.equilibrium import Equilibrium, by_optimizer
from theory.laws.equilibrium.by_optimizer import at_rest
from theory.trajectory import RecordedRun, recorded_with, require

GRAD_SUM = "effective_grad_sum"
RADIAL_SHARE = 0.05  # of what decay takes from the norm; more moves the equilibrium by over 1 %


@dataclass(frozen=True)
class Measured:
    """Means over the last half of a run.

    Attributes:
        norm: fourth root of the mean fourth power of rho.
        effective_lr: eta over the squared norm.
        angular_update: root mean square angle, rad.
        mean_squared_g: mean of the squared effective gradient.
        drift: relative change of the norm from the first to the second half of that half.
    """

    norm: float
    effective_lr: float
    angular_update: float
    mean_squared_g: float
    drift: float

    @classmethod
    def of(cls, run: RecordedRun) -> Measured:
        """Measure a run; NaN where it is shorter than four records."""
        series = (run.weight_norm, run.effective_lr, run.angular_update, run.effective_grad_norm)
        rho, elr, angle, g = (values[len(values) // 2 :] for values in series)
        if len(rho) < 2:
            return cls(*[float("nan")] * 5)
        half = len(rho) // 2
        return cls(
            norm=float(np.mean(rho**4) ** 0.25),
            effective_lr=float(np.mean(elr * rho**2) / np.mean(rho**4) ** 0.5),
            angular_update=float(np.mean(angle**2) ** 0.5),
            mean_squared_g=float(np.mean(g**2)),
            drift=float(rho[half:].mean() / rho[:half].mean() - 1),
        )


def predict_equilibrium(trajectories: xr.Dataset, run: str) -> Equilibrium:
    """Predict the equilibrium of a run from its settings and the gradients of its last half.

    AdamW and Lion need no gradient, SGD its mean square, Adam with L2 the sum of its root mean
    squares. If the gradients go on changing, so does the equilibrium. Of a monitored optimizer the
    exact class must be known, and its options, and they must have stayed as they were; see
    ``theory.laws.equilibrium.by_optimizer``.

        >>> from sawtooth import predict_equilibrium, simulate
        >>> toy = simulate("isotropic:50", 0.1, 0.1, noise=1.0, n_steps=4000)
        >>> rest = predict_equilibrium(toy, str(toy["run"].values[0]))
        >>> measured = toy["weight_norm"].values[0, 2000:].mean()
        >>> bool(abs(rest.norm / measured - 1) < 0.01)
        True

    Source: Wan et al. 2020 (arXiv 2006.08419); Kosson et al. 2024 (2305.17212).

    Args:
        trajectories: a Dataset of the schema, for the adaptive optimizers with ``n_weights``,
            ``beta1`` and ``beta2``.
        run: id of the run.

    Returns:
        Norm, effective learning rate, angle per step (rad) and relaxation time (steps).

    Raises:
        ValueError: saying why none is predicted.
    """
    require(trajectories, "the dataset")
    if run not in trajectories["run"].values:
        raise ValueError(f"the dataset holds no run {run!r}")
    recorded = RecordedRun.of(trajectories, run)
    one = trajectories.sel(run=run)
    if str(one["status"].values) != "completed":
        raise ValueError(f"the run ended early: {one['reason'].values}")
    if recorded.update_rule == "growing" or recorded.scheduled:
        raise ValueError("the learning rate changes, and the equilibrium with it")
    if changed := _text(one, "settings_changed"):
        raise ValueError(f"a setting of the optimizer did not stay: {changed}")
    if radial := _radial_pull(recorded):
        raise ValueError(radial)
    name, options = _optimizer(one, recorded)
    setting = (recorded.learning_rate, recorded.weight_decay)
    return at_rest(name, *setting, options, _measured(trajectories, recorded))


def _optimizer(one: xr.Dataset, run: RecordedRun) -> tuple[str, dict[str, Any]]:
    """Class and options of a monitored optimizer; the rule of a simulated or trained run."""
    if "optimizer" in one:
        return _text(one, "optimizer"), json.loads(_text(one, "optimizer_settings"))
    if variant := str(one["variant"].values):
        raise ValueError(f"no closed form is known for {run.update_rule} with {variant}")
    if run.update_rule == "sgd":
        return "sgd", {"momentum": run.momentum}
    known = {"beta1", "beta2"} <= set(one.variables)
    return run.update_rule, {"betas": (float(one.beta1), float(one.beta2))} if known else {}


def _measured(trajectories: xr.Dataset, run: RecordedRun) -> by_optimizer.Measured:
    """What the formulas need besides the settings, means over the last half."""
    one, late = trajectories.sel(run=run.id), Measured.of(run)
    update = run.update_norm if run.update_norm is not None else run.effective_grad_norm
    half = slice(len(update) // 2, None)
    sizes = (update[half] / run.weight_norm[half]) ** 2
    shape = recorded_with(trajectories, run.id, "largest_matrix") or "64x64"
    rows, _, columns = str(shape).partition("x")
    return by_optimizer.Measured(
        n_weights=int(one["n_weights"]) if "n_weights" in one else 0,
        mean_squared_g=late.mean_squared_g,
        sum_g=_late_mean(one[GRAD_SUM]) if GRAD_SUM in one else float("nan"),
        mean_squared_update=float(np.mean(sizes)) if len(sizes) else float("nan"),
        norm=late.norm,
        shape=(int(rows), int(columns)),
        after_steps=run.start + 0.75 * run.every * len(run.weight_norm),
    )


def _radial_pull(run: RecordedRun) -> str:
    """What the gradient itself does to the norm, if that counts beside decay; "" if it does not.

    A step takes ``eta lam`` of the norm by decay and ``eta <grad, w> / |w|^2`` by a radial part.
    """
    cosine = radial_cosine(run)
    known = np.isfinite(cosine)
    if known.sum() < 2 or np.sqrt(np.mean(cosine[known] ** 2)) < RADIAL:
        return ""
    pull = float(np.mean((cosine * run.effective_grad_norm / run.weight_norm**2)[known]))
    if abs(pull) < RADIAL_SHARE * run.weight_decay:
        return ""
    acts = f"shrinks the norm like a weight decay of {pull:.2g}" if pull > 0 else "drives it up"
    return (
        f"the gradient has a radial part (mean cosine {np.mean(cosine[known]):.2g} with the "
        f"weights) that {acts}: {FEELS_SCALE}"
    )


def _text(one: xr.Dataset, name: str) -> str:
    return str(one[name].values) if name in one else ""


def _late_mean(values: xr.DataArray) -> float:
    """Mean of the known values of the last half."""
    known = values.values[np.isfinite(values.values)]
    return float(known[len(known) // 2 :].mean()) if len(known) else float("nan")
