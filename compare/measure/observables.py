"""Jumps, periods, phases and regime of a trajectory: one extractor for theory and networks.

An estimate from too little data is NaN, with the reason beside it. Where only every k-th step was
recorded, jumps are found on the records: turning points are known to k steps and a little blunter,
and jumps closer to each other than a few records are missed.
"""

import numpy as np
import xarray as xr

from theory import laws
from theory.arrays import FloatArray
from theory.trajectory import RecordedRun, Runs
from theory.trajectory.jumps import Jumps
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


def measure_run(run: RecordedRun) -> dict[str, float | str]:
    """Measure one run, by the update rule that made it.

    Jumps are growths of the norm, whatever the learning rate does; estimates that need a constant
    rate are refused where it changes. With momentum or clipping the balance of growth and decay
    is not that of g alone, and is left out.

    Returns:
        The observables of ``/comparison`` by name, and ``reason_*`` for each refused one.
    """
    measured = _of_the_norm(run)
    fixed = run.update_rule == "sphere" and not run.scheduled and len(run.effective_lr)
    measured["fixed_effective_lr"] = float(run.effective_lr[0]) if fixed else float("nan")
    if run.update_rule == "sphere" and len(run.weight_norm) >= SHORTEST_ON_SPHERE:
        measured["regime"] = classify_on_sphere(run.train_loss, finite=run.finite)
    late = {"train_loss": run.train_loss, "effective_grad_norm": run.effective_grad_norm}
    return measured | {f"late_{name}": _late_mean(values) for name, values in late.items()}


def _of_the_norm(run: RecordedRun) -> dict[str, float | str]:
    """What the norm does: jumps, phase A, rest, regime."""
    if len(run.weight_norm) < 3:
        return {"regime": "convergence" if run.finite else "divergence", **_too_short()}
    regime = classify(run.log_elr, run.jumps, run.rise_by_decay, finite=run.finite)
    scheduled = run.scheduled and run.update_rule != "growing"
    measured = {
        "regime": regime,
        **_jump_statistics(run),
        **_phase_a(run, regime),
        **_stationary(run),
    }
    if run.update_norm is not None or run.every > 1:  # the balance is that of every single step
        measured["log_balance_ratio"] = float("nan")
    return measured | (_at_scheduled_rate(run) if scheduled else {})


def _at_scheduled_rate(run: RecordedRun) -> dict[str, float | str]:
    """What changes where the learning rate does: the elr of jumps, and refusals."""
    with np.errstate(divide="ignore"):
        log_elr, jumps = np.log(run.effective_lr), run.jumps
    refused = ("decay_rate_ratio", "equilibrium_norm", "mean_squared_g", "log_balance_ratio")
    return {
        **dict.fromkeys(refused, float("nan")),
        "reason_decay_rate_ratio": "the learning rate is not constant",
        "reason_equilibrium_norm": "the learning rate is not constant",
        "effective_lr_before_jump": _geometric_mean(log_elr[jumps.onsets]),
        "effective_lr_after_jump": _geometric_mean(log_elr[jumps.landings]),
    }


def measure(runs: Runs) -> xr.Dataset:
    """Measure every run.

    Returns:
        One variable along ``run`` for each observable and each ``reason_*``.
    """
    rows = [measure_run(run) for run in runs.values()]
    names = sorted({name for row in rows for name in row})
    columns = {name: ("run", [row.get(name, "") for row in rows]) for name in names}
    return xr.Dataset(columns, {"run": list(runs)})


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
    refused: dict[str, float | str] = {"n_jumps": 0.0, "n_cycles": 0.0, "cycle_steps": 0.0}
    for name in names:
        refused[name] = float("nan")
    for name in ("period", "first_jump", "decay_rate_ratio", "equilibrium_norm"):
        refused[f"reason_{name}"] = "fewer than 3 recorded steps"
    return refused


def _jump_statistics(run: RecordedRun) -> dict[str, float | str]:
    """Counts, first jump, period and elr on both sides of the jumps."""
    log_elr, jumps = run.log_elr, run.jumps
    gaps = run.every * np.diff(jumps.onsets)
    enough = len(gaps) >= MIN_CYCLES
    any_jump = len(jumps.onsets) > 0
    unseen = "" if any_jump else "no jump"
    if run.start:
        any_jump, unseen = False, f"the record starts at step {run.start}"
    nan = float("nan")
    return {
        "n_jumps": float(len(jumps.onsets)),
        "n_cycles": float(len(gaps)),
        "cycle_steps": float(gaps.sum()),
        "first_jump": float(run.every * jumps.onsets[0]) if any_jump else nan,
        "reason_first_jump": unseen,
        "period": float(gaps.mean()) if enough else nan,
        "period_std": float(gaps.std(ddof=1)) if enough else nan,
        "reason_period": "" if enough else f"{len(gaps)} cycles, {MIN_CYCLES} needed",
        "effective_lr_before_jump": _geometric_mean(log_elr[jumps.onsets]),
        "effective_lr_after_jump": _geometric_mean(log_elr[jumps.landings]),
    }


def _geometric_mean(logs: FloatArray) -> float:
    return float(np.exp(logs.mean())) if len(logs) else float("nan")


def _phase_a(run: RecordedRun, regime: str) -> dict[str, float | str]:
    """Phase-A decay rate over ``eta lam``, for periodic runs."""
    ratio, reason = float("nan"), f"no phase A: the regime is {regime}"
    if not run.decay:
        reason = "no weight decay"
    elif regime == "periodic":
        ratio = phase_a_rate(run.log_elr, run.jumps) / (run.every * run.decay)
        reason = f"no rise of {MIN_RISE_STEPS} records between jumps" if np.isnan(ratio) else ""
    return {"decay_rate_ratio": ratio, "reason_decay_rate_ratio": reason}


def _stationary(run: RecordedRun) -> dict[str, float | str]:
    """Means over a stretch where the norm returns to its start, and the log balance there."""
    intrinsic_lr = run.learning_rate * run.weight_decay
    stretch = closed_stretch(run.log_elr)
    length = run.every * (stretch.stop - stretch.start)
    names = ("equilibrium_norm", "mean_squared_g", "log_balance_ratio")
    if length * 4 * intrinsic_lr < MIN_RELAXATIONS:
        reason = (
            f"norm stationary for {length} steps, fewer than {MIN_RELAXATIONS} relaxation times"
        )
        return {**dict.fromkeys(names, float("nan")), "reason_equilibrium_norm": reason}
    elr, g = np.exp(run.log_elr[stretch]), run.effective_grad_norm[stretch]
    return {
        "equilibrium_norm": float(np.mean((run.learning_rate / elr) ** 2) ** 0.25),
        "mean_squared_g": float(np.mean(g**2)),
        "log_balance_ratio": laws.log_balance_ratio(elr / (1 - intrinsic_lr), g, intrinsic_lr),
        "reason_equilibrium_norm": "",
    }
