r"""Periods of training with decay, predicted from runs on the sphere: no jump seen, no decay.

At a fixed norm, where the effective learning rate (elr) is prescribed, runs show when gradients
burst and what follows a burst. The exact norm law says what the norm *would* have done, so runs
with any weight decay can be drawn from them (``theory.cycle_models.burst_analogs``). Jumps of the
drawn runs are found as those of real ones. The same runs serve every decay, and no number is fitted
to a run with decay.

Source: docs/theory.md, section 5.
"""

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from theory import laws, validate
from theory.arrays import FloatArray
from theory.cycle_models import burst_analogs
from theory.cycle_models.burst_analogs import SphereProcess, SphereRun
from theory.cycle_models.burst_hazard import QUIET_STEPS, mean_log_onset
from theory.trajectory import recorded
from theory.trajectory.jumps import find_jumps

N_CHAINS = 48
LENGTH = 14.0  # of a drawn run, in steps times the rate at which ln(elr) rises: about ten periods
FURTHER_STEPS = 50
MIN_PERIODS = 10
SMALLEST_G = 1e-9
SEED = 0


@dataclass(frozen=True)
class SpherePrediction:
    """What runs on the sphere say of a setting with decay; NaN where they say nothing.

    Attributes:
        period: mean steps from jump to jump.
        period_std: standard deviation of single ones.
        first_jump: mean step of the first jump.
        effective_lr_before_jump: geometric mean of elr where a jump begins, but for first ones.
        effective_lr_after_jump: the same where it ends.
        kick: growth of ``ln(rho^2)`` over a period, in the mean (law 6).
        recovery: steps of a period that are not the climb from landing to onset.
        hazard_onset: ``effective_lr_before_jump`` by the hazard and the landing alone, without
            anything drawn; NaN where a period is hardly longer than a burst is remembered.
        n_periods: that were drawn.
        reason: why there is no prediction; "" where there is one.
    """

    period: float
    period_std: float
    first_jump: float
    effective_lr_before_jump: float
    effective_lr_after_jump: float
    kick: float
    recovery: float
    hazard_onset: float
    n_periods: int
    reason: str


def learn(networks: xr.Dataset) -> SphereProcess:
    """Read all runs at a fixed norm of a Dataset of the schema; every step must be recorded.

    Raises:
        ValueError: if there is none, or their gradients hardly ever burst.
    """
    rules = zip(networks["run"].values, networks["update_rule"].values, strict=True)
    runs = [str(run) for run, rule in rules if str(rule) == "sphere"]
    if not runs:
        raise ValueError("there are no runs at a fixed norm (fixed_norm = true)")
    return burst_analogs.learn([_sphere_run(networks, run) for run in runs])


def predict(
    process: SphereProcess, learning_rate: float, weight_decay: float, *, initial_norm: float
) -> SpherePrediction:
    """Predict the periods of SGD with decay from an ensemble of drawn runs, always the same.

    Args:
        process: learnt from runs on the sphere with the same network, data and batches.
        learning_rate: eta.
        weight_decay: lam, above 0.
        initial_norm: norm of the weights at the start.

    Raises:
        ValueError: if the setting is out of range or has no decay, hence no periods.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    intrinsic_lr = learning_rate * weight_decay
    rate = laws.decay_rate(intrinsic_lr)
    drawn = burst_analogs.simulate(
        process,
        intrinsic_lr,
        math.log(float(laws.effective_lr(initial_norm, learning_rate))),
        n_chains=N_CHAINS,
        n_steps=math.ceil(LENGTH / rate) + FURTHER_STEPS,
        rng=np.random.default_rng(SEED),
    )
    return _measured(process, drawn, rate)


def _sphere_run(networks: xr.Dataset, run: str) -> SphereRun:
    elr = recorded(networks, run, "effective_lr")
    g = recorded(networks, run, "effective_grad_norm")
    return SphereRun(np.log(elr), np.log(np.maximum(g, SMALLEST_G)))


def _measured(process: SphereProcess, log_elr: FloatArray, rate: float) -> SpherePrediction:
    """Jumps of drawn runs, (n_steps, n_chains)."""
    jumps = [find_jumps(chain) for chain in log_elr.T]
    pairs = list(zip(log_elr.T, jumps, strict=True))
    periods = np.concatenate([np.diff(one.onsets) for one in jumps])
    if len(periods) < MIN_PERIODS:
        reason = f"only {len(periods)} periods in {N_CHAINS} drawn runs"
        nothing = (math.nan,) * 8
        return SpherePrediction(*nothing, len(periods), reason)
    onset = float(np.concatenate([chain[one.onsets[1:]] for chain, one in pairs]).mean())
    landing = float(np.concatenate([chain[one.landings] for chain, one in pairs]).mean())
    period = float(periods.mean())
    long = period > 2 * QUIET_STEPS
    return SpherePrediction(
        period=period,
        period_std=float(periods.std()),
        first_jump=float(np.mean([one.onsets[0] for one in jumps if len(one.onsets)])),
        effective_lr_before_jump=math.exp(onset),
        effective_lr_after_jump=math.exp(landing),
        kick=rate * period,
        recovery=period - (onset - landing) / rate,
        hazard_onset=math.exp(mean_log_onset(process.later, landing, rate)) if long else math.nan,
        n_periods=len(periods),
        reason="",
    )
