"""Jumps, periods, phases and regime of a trajectory: one extractor for theory and networks.

An estimate from too little data is NaN, with the reason beside it. Where only every k-th step was
recorded, jumps are found on the records: turning points are known to k steps and a little blunter,
and jumps closer to each other than a few records are missed.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.exact_laws import is_general
from theory import laws
from theory.arrays import FloatArray
from theory.trajectory import record_every, recorded
from theory.trajectory.jumps import Jumps, find_jumps
from theory.trajectory.regimes import classify, classify_on_sphere

MIN_CYCLES = 3
# Phase A is where decay is undisturbed: the steepest tenth of a rise of elr.
PHASE_A_SHARE = 0.1
MIN_RISE_STEPS = 20  # recorded ones
# A mean over a stationary stretch needs this many relaxation times 1/(4 eta lam).
MIN_RELAXATIONS = 10
SHORTEST_ON_SPHERE = 8


def closed_stretch(log_elr: FloatArray) -> slice:
    """Longest stretch over which the norm returns to its median on the same, decaying side."""
    below = log_elr < np.median(log_elr)
    upward = np.flatnonzero(below[:-1] & ~below[1:]) + 1
    return slice(int(upward[0]), int(upward[-1])) if len(upward) > 1 else slice(0, 0)


def phase_a_rate(log_elr: FloatArray, jumps: Jumps) -> float:
    """Median over the rises of the steepest sustained decay rate of ``ln(rho)`` per record.

    NaN where no rise between two jumps is ``MIN_RISE_STEPS`` long.
    """
    rates = []
    for low, high in zip(jumps.landings, jumps.onsets[1:], strict=False):
        if high - low >= MIN_RISE_STEPS:
            width = max(1, round(PHASE_A_SHARE * (high - low)))
            rise = log_elr[low : high + 1]
            rates.append((rise[width:] - rise[:-width]).max() / (2 * width))
    return float(np.median(rates)) if rates else float("nan")


def measure_run(
    weight_norm: FloatArray,
    effective_grad_norm: FloatArray,
    learning_rate: float,
    weight_decay: float,
    *,
    momentum: float = 0.0,
    plain: bool = True,
    finite: bool = True,
    scheduled_lr: FloatArray | None = None,
    record_every: int = 1,
) -> dict[str, float | str]:
    """Measure one trajectory.

    Args:
        weight_norm: rho before each recorded step, (n_records,).
        effective_grad_norm: g of each, (n_records,).
        learning_rate: eta.
        weight_decay: lam.
        momentum: heavy-ball coefficient.
        plain: whether the update is the gradient; with momentum or clipping g alone does not
            balance decay.
        finite: False if the run ended because it stopped being finite.
        scheduled_lr: eta of each step where it is not constant, (n_steps,). Jumps are growths of
            the norm all the same; estimates that need a constant rate are refused.
        record_every: steps from one record to the next.

    Returns:
        The observables of ``/comparison`` by name, and ``reason_*`` for each refused one.
    """
    if len(weight_norm) < 3:
        return {"regime": "divergence" if not finite else "convergence", **_too_short()}
    log_elr = np.log(laws.effective_lr(weight_norm, learning_rate))
    intrinsic_lr = intrinsic_decay(learning_rate, weight_decay, momentum)
    jumps = find_jumps(log_elr)
    between = 1 - (1 - intrinsic_lr) ** record_every  # what decay takes from record to record
    regime = classify(log_elr, jumps, between, finite=finite)
    measured = {
        "regime": regime,
        **_jump_statistics(log_elr, jumps, record_every),
        **_phase_a(log_elr, jumps, regime, intrinsic_lr, record_every),
        **_stationary(log_elr, effective_grad_norm, learning_rate, weight_decay, record_every),
    }
    if not plain or record_every > 1:  # the balance is that of every single step
        measured["log_balance_ratio"] = float("nan")
    if scheduled_lr is not None:
        measured |= _at_scheduled_rate(log_elr + np.log(scheduled_lr / learning_rate), jumps)
    return measured


def _at_scheduled_rate(log_elr: FloatArray, jumps: Jumps) -> dict[str, float | str]:
    """What changes where the learning rate does: the elr of jumps, and refusals."""
    refused = ("decay_rate_ratio", "equilibrium_norm", "mean_squared_g", "log_balance_ratio")
    return {
        **dict.fromkeys(refused, float("nan")),
        "reason_decay_rate_ratio": "the learning rate is not constant",
        "reason_equilibrium_norm": "the learning rate is not constant",
        "effective_lr_before_jump": _geometric_mean(log_elr[jumps.onsets]),
        "effective_lr_after_jump": _geometric_mean(log_elr[jumps.landings]),
    }


def intrinsic_decay(learning_rate: float, weight_decay: float, momentum: float) -> float:
    """Share of the norm that decay takes in a step in the long run; eta lam without momentum.

    Where decay oscillates with momentum, its envelope: ``1 - sqrt(m)``.
    """
    try:
        return 1 - laws.momentum_shrink(learning_rate, weight_decay, momentum)
    except ValueError:
        return float(1 - np.sqrt(momentum))


def measure(trajectories: xr.Dataset) -> xr.Dataset:
    """Measure every run of a Dataset of the trajectory schema.

    Returns:
        One variable along ``run`` for each observable and each ``reason_*``.
    """
    rows = [_measure(trajectories, str(run)) for run in trajectories["run"].values]
    names = sorted({name for row in rows for name in row})
    columns = {name: ("run", [row.get(name, "") for row in rows]) for name in names}
    return xr.Dataset(columns, {"run": trajectories["run"].values})


def _measure(trajectories: xr.Dataset, run: str) -> dict[str, float | str]:
    """Measure one run, by the update rule that made it."""
    one = trajectories.sel(run=run)
    finite = str(one["status"].values) != "diverged"
    learning_rate, rule = float(one["learning_rate"]), str(one["update_rule"].values)
    norm = recorded(trajectories, run, "weight_norm")
    elr = recorded(trajectories, run, "effective_lr")
    g = recorded(trajectories, run, "effective_grad_norm")
    rates = elr * norm**2
    scheduled = rule != "growing" and not np.allclose(rates, learning_rate, rtol=1e-6, atol=0)
    if rule == "growing":  # the norm that the run with decay has at the same effective lr
        norm = np.sqrt(learning_rate / elr)
    measured = measure_run(
        norm,
        g,
        learning_rate,
        float(one["weight_decay"]),
        momentum=float(one["momentum"]),
        plain=not is_general(one),
        finite=finite,
        scheduled_lr=rates if scheduled else None,
        record_every=record_every(trajectories),
    )
    loss = recorded(trajectories, run, "train_loss")
    fixed = rule == "sphere" and not scheduled and len(elr)
    measured["fixed_effective_lr"] = float(elr[0]) if fixed else float("nan")
    if rule == "sphere" and len(norm) >= SHORTEST_ON_SPHERE:
        measured["regime"] = classify_on_sphere(loss, finite=finite)
    late = {"train_loss": loss, "effective_grad_norm": g}
    return measured | {f"late_{name}": _late_mean(values) for name, values in late.items()}


def _late_mean(values: FloatArray) -> float:
    """Mean over the last quarter; NaN of nothing."""
    return float(values[-max(1, len(values) // 4) :].mean()) if len(values) else float("nan")


def _too_short() -> dict[str, float | str]:
    """All estimates refused."""
    names = (
        "period",
        "period_std",
        "first_jump",
        "effective_lr_before_jump",
        "effective_lr_after_jump",
        "decay_rate_ratio",
        "equilibrium_norm",
        "mean_squared_g",
        "log_balance_ratio",
    )
    refused: dict[str, float | str] = {"n_jumps": 0.0, "n_cycles": 0.0}
    for name in names:
        refused[name] = float("nan")
    for name in ("period", "first_jump", "decay_rate_ratio", "equilibrium_norm"):
        refused[f"reason_{name}"] = "fewer than 3 recorded steps"
    return refused


def _jump_statistics(
    log_elr: FloatArray, jumps: Jumps, record_every: int
) -> dict[str, float | str]:
    """Counts, first jump, period and elr on both sides of the jumps."""
    gaps = record_every * np.diff(jumps.onsets)
    enough = len(gaps) >= MIN_CYCLES
    any_jump = len(jumps.onsets) > 0
    nan = float("nan")
    return {
        "n_jumps": float(len(jumps.onsets)),
        "n_cycles": float(len(gaps)),
        "first_jump": float(record_every * jumps.onsets[0]) if any_jump else nan,
        "reason_first_jump": "" if any_jump else "no jump",
        "period": float(gaps.mean()) if enough else nan,
        "period_std": float(gaps.std(ddof=1)) if enough else nan,
        "reason_period": "" if enough else f"{len(gaps)} cycles, {MIN_CYCLES} needed",
        "effective_lr_before_jump": _geometric_mean(log_elr[jumps.onsets]),
        "effective_lr_after_jump": _geometric_mean(log_elr[jumps.landings]),
    }


def _geometric_mean(logs: FloatArray) -> float:
    return float(np.exp(logs.mean())) if len(logs) else float("nan")


def _phase_a(
    log_elr: FloatArray, jumps: Jumps, regime: str, intrinsic_lr: float, record_every: int
) -> dict[str, float | str]:
    """Phase-A decay rate over ``eta lam``, for periodic runs."""
    ratio, reason = float("nan"), f"no phase A: the regime is {regime}"
    if regime == "periodic":
        ratio = phase_a_rate(log_elr, jumps) / (record_every * intrinsic_lr)
        reason = f"no rise of {MIN_RISE_STEPS} records between jumps" if np.isnan(ratio) else ""
    return {"decay_rate_ratio": ratio, "reason_decay_rate_ratio": reason}


def _stationary(
    log_elr: FloatArray,
    g: FloatArray,
    learning_rate: float,
    weight_decay: float,
    record_every: int,
) -> dict[str, float | str]:
    """Means over a stretch where the norm returns to its start, and the log balance there."""
    intrinsic_lr = learning_rate * weight_decay
    stretch = closed_stretch(log_elr)
    length = record_every * (stretch.stop - stretch.start)
    names = ("equilibrium_norm", "mean_squared_g", "log_balance_ratio")
    if length * 4 * intrinsic_lr < MIN_RELAXATIONS:
        reason = (
            f"norm stationary for {length} steps, fewer than {MIN_RELAXATIONS} relaxation times"
        )
        return {**dict.fromkeys(names, float("nan")), "reason_equilibrium_norm": reason}
    elr = np.exp(log_elr[stretch])
    return {
        "equilibrium_norm": float(np.mean((learning_rate / elr) ** 2) ** 0.25),
        "mean_squared_g": float(np.mean(g[stretch] ** 2)),
        "log_balance_ratio": laws.log_balance_ratio(
            elr / (1 - intrinsic_lr), g[stretch], intrinsic_lr
        ),
        "reason_equilibrium_norm": "",
    }
