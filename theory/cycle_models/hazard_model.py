r"""Cycles as a hazard process: jumps come at a hazard that rises with the effective lr.

Between jumps ``u = ln(elr)`` rises by ``r = -2 ln(1 - eta lam)`` a step. A jump comes at a hazard
and takes a kick K off u at once; growth of the norm that comes later in a cycle counts as part of
the kick. With ``z = (u - m) / s``, where mean m and ``ln s`` of the onsets are lines in ``ln(eta
lam)``, the hazard per unit of z is the same for all settings and exponential,

    h(z) = exp(b0 + b1 z),    P(no jump between z0 and z) = exp(-[h(z) - h(z0)] / b1),

Gompertz' law of mortality, so that a jump is drawn in closed form: ``h(z) = h(z0) + b1 E``, with E
exponential of mean 1. A large b1 gives the relaxation oscillator. A kick has the mean of
``theory.cycle_models.kick_model``, a part that grows with the excess of u over m, and a residual
drawn from those that calibration saw.

The period follows from both and is not fitted: it is the kick at which the process is stationary.
On the digits network the kick model, which fits it, is the better predictor of mean periods.

Source: docs/theory.md, hypothesis 3; Davis 1984 for such processes; Gompertz 1825.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from theory import validate
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import KickModel, mean_cycle
from theory.cycle_models.log_line import LogLine
from theory.trajectory.jumps import JUMP_LOG_ELR

N_CHAINS, N_CYCLES, BURN_IN = 500, 80, 20
SEED = 0


@dataclass(frozen=True)
class Hazard:
    """Coefficients of the hazard per unit of z.

    Attributes:
        log_at_mean: b0.
        sharpness: b1, above 0.
    """

    log_at_mean: float
    sharpness: float

    def onset(self, start: FloatArray, amount: FloatArray) -> FloatArray:
        """The z at which the hazard since each start adds up to an amount."""
        gained = np.log(self.sharpness * amount) - self.log_at_mean
        return np.asarray(np.logaddexp(self.sharpness * start, gained) / self.sharpness)


@dataclass(frozen=True)
class GompertzProcess:
    """Hazard and kicks.

    Attributes:
        hazard: of a jump.
        center: m, mean ``ln(elr)`` at onsets.
        log_spread: ``ln s``, of their standard deviation.
        sensitivity: additional kick per unit of u above m.
        log_kick_spread: ``ln`` of the standard deviation of kicks.
        residuals: quantiles of the kicks about their mean law, over that, rising, (n,).
    """

    hazard: Hazard
    center: LogLine
    log_spread: LogLine
    sensitivity: LogLine
    log_kick_spread: LogLine
    residuals: tuple[float, ...]


@dataclass(frozen=True)
class ProcessPrediction:
    """What the process says about a setting; see ``kick_model.CyclePrediction``."""

    period: float
    period_low: float
    period_high: float
    first_jump: float
    effective_lr_before_jump: float


def fit_hazard(starts: FloatArray, onsets: FloatArray) -> Hazard:
    """Fit the hazard by maximum likelihood; the likelihood has a closed form.

    Args:
        starts: z after the kick before each jump, (n,).
        onsets: z at the jump, above its start, (n,).
    """

    def loss(p: FloatArray) -> float:
        rate = np.exp(p[1])
        total = (np.exp(p[0] + rate * onsets) - np.exp(p[0] + rate * starts)) / rate
        return float((total - p[0] - rate * onsets).mean())

    level, log_rate = minimize(loss, np.zeros(2)).x
    return Hazard(float(level), float(np.exp(log_rate)))


def predict(
    process: GompertzProcess, model: KickModel, learning_rate: float, weight_decay: float
) -> ProcessPrediction:
    """Predict the cycle of a setting from an ensemble of drawn ones, always the same draws.

    Args:
        process: hazard and scatter.
        model: mean kicks, and the start of a run.
        learning_rate: eta.
        weight_decay: lam, above 0.

    Raises:
        ValueError: if the setting is out of range or has no decay, hence no periods.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    intrinsic_lr = learning_rate * weight_decay
    center, spread = process.center(intrinsic_lr), np.exp(process.log_spread(intrinsic_lr))
    start = np.log(learning_rate / model.initial_norm**2) - model.first_kick
    climbs, onsets = _cycles(process, mean_cycle(model, intrinsic_lr).kick, intrinsic_lr, start)
    rate, settled = mean_cycle(model, intrinsic_lr).rate, climbs[BURN_IN:]
    low, high = np.quantile(settled, [0.05, 0.95]) / rate
    return ProcessPrediction(
        period=float(settled.mean() / rate),
        period_low=float(low),
        period_high=float(high),
        first_jump=float(climbs[0].mean() / rate),
        effective_lr_before_jump=float(np.exp(center + spread * onsets[BURN_IN:].mean())),
    )


def _cycles(
    process: GompertzProcess, mean_kick: float, intrinsic_lr: float, start: float
) -> tuple[FloatArray, FloatArray]:
    """Climb of u, and z at its end, of each cycle of each chain, (n_cycles, n_chains)."""
    rng = np.random.default_rng(SEED)
    center, spread = process.center(intrinsic_lr), np.exp(process.log_spread(intrinsic_lr))
    scatter = np.exp(process.log_kick_spread(intrinsic_lr))
    places = np.linspace(0, 1, len(process.residuals))
    climbs, onsets = np.empty((2, N_CYCLES, N_CHAINS))
    z0 = np.full(N_CHAINS, (start - center) / spread)
    for k in range(N_CYCLES):
        z = process.hazard.onset(z0, rng.exponential(size=N_CHAINS))
        climbs[k], onsets[k] = (z - z0) * spread, z
        residual = np.interp(rng.random(N_CHAINS), places, process.residuals)
        kick = mean_kick + process.sensitivity(intrinsic_lr) * spread * z + scatter * residual
        z0 = z - np.maximum(kick, JUMP_LOG_ELR) / spread
    return climbs, onsets
