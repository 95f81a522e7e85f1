"""Where the norm of one run will settle, by the optimizer that moves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from theory.laws import equilibrium
from theory.laws.equilibrium import Equilibrium
from theory.trajectory import RecordedRun

ADAPTIVE = ("n_weights", "beta1", "beta2")
GRAD_SUM = "effective_grad_sum"


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
    squares. If the gradients go on changing, so does the equilibrium.

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
    one, recorded = trajectories.sel(run=run), RecordedRun.of(trajectories, run)
    rate, decay, momentum = recorded.learning_rate, recorded.weight_decay, recorded.momentum
    rule, variant = recorded.update_rule, str(one["variant"].values)
    if str(one["status"].values) != "completed":
        raise ValueError(f"the run ended early: {one['reason'].values}")
    if decay == 0:
        raise ValueError("without weight decay the norm only grows")
    if rule == "growing" or recorded.scheduled:
        raise ValueError("the learning rate changes, and the equilibrium with it")
    known = {"sgd": (), "adamw": ADAPTIVE, "lion": ADAPTIVE, "adam": (*ADAPTIVE, GRAD_SUM)}
    if rule not in known or (rule == "sgd" and variant):
        raise ValueError(f"no closed form is known for {rule}{f' with {variant}' * bool(variant)}")
    if missing := [name for name in known[rule] if name not in one]:
        raise ValueError(f"the file lacks {', '.join(missing)}")
    measured = Measured.of(recorded)
    if rule == "sgd":
        p = measured.mean_squared_g
        if momentum == 0:
            return equilibrium.sgd(rate, decay, p)
        return equilibrium.sgd_with_momentum(rate, decay, p, momentum=momentum)
    n_weights = int(one["n_weights"])
    betas = {name: float(one[name]) for name in ("beta1", "beta2")}
    if rule == "adam":
        return equilibrium.adam_l2(rate, decay, _late_mean(one[GRAD_SUM]), n_weights, **betas)
    closed_form = equilibrium.adamw if rule == "adamw" else equilibrium.lion
    return closed_form(rate, decay, n_weights, **betas)


def _late_mean(values: xr.DataArray) -> float:
    """Mean of the known values of the last half."""
    known = values.values[np.isfinite(values.values)]
    return float(known[len(known) // 2 :].mean()) if len(known) else float("nan")
