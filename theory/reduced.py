r"""The kick model: a relaxation oscillator for the effective learning rate.

Between destabilisations weight decay raises ``u = ln(elr)`` by ``r = -2 ln(1 - eta lam)`` a
step, exactly. A destabilisation turns the weights by large angles, which grows the norm: over the
T steps until the next one it takes a *kick* K off u. The angle falls as one over the number of
steps s since the onset:

    u(s) = u_onset + r s - K (1 + s0/T) s / (s + s0),    phi g ~ sqrt(K s0 (1 + s0/T)) / (s + s0).

The gradient law ``g ~ 1 / (accumulated elr)`` is hypothesis 1 of the project's theory; the log
balance over a period (A26) then fixes everything that follows:

    period               T = K / r
    landing              (sqrt(K + r s0) - sqrt(r s0))^2 below the onset
    growing share of T   sqrt(y^2 + y) - y with y = s0 / T
    regime               periodic where that share is below 1/4, i.e. for T > 8 s0

The share is 0 for a sawtooth with sudden jumps and 1/2 for a motion that looks the same backwards
in time, as noise about an equilibrium does; the border is half-way.

The baseline of every prediction is ``T eta lam = const``: a constant kick. Here the kick is
``K(eta lam) = K1 + slope ln(eta lam)``: calibrated at two values of ``eta lam``, it predicts
any other one.

The onsets scatter. The time between them has a shifted gamma distribution with mean T and a
coefficient of variation that is calibrated; a kick from a higher onset is larger, by
``sensitivity`` times the excess, which keeps u near its mean. No kick is so small that its jump
would not count as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from theory import validate
from theory.laws import FloatArray

PERIODIC_SHARE = 0.25  # largest share of the time during which the norm of a sawtooth grows
SMALLEST_RISE = 0.05  # of ln(elr), where a far extrapolation would go below zero
JUMP_LOG_ELR = 0.1  # a jump is a drop of ln(elr) by this, a growth of the norm by 5 %
SMALLEST_DROP = 1.25 * JUMP_LOG_ELR  # of a simulated jump, seen at whole steps


@dataclass(frozen=True)
class LogLine:
    """A quantity that is linear in ``ln(eta lam)``: its value at 1, and its slope."""

    at_one: float
    slope: float

    def __call__(self, intrinsic_lr: float) -> float:
        """Value at an intrinsic learning rate."""
        return self.at_one + self.slope * float(np.log(intrinsic_lr))


@dataclass(frozen=True)
class KickModel:
    """What calibration finds out about one network and data set; all dimensionless.

    Attributes:
        kick: mean growth of ``ln(rho^2)`` in one destabilisation.
        onset: mean ``ln(elr)`` at which destabilisations set in.
        kick_time: s0, steps in which about half of a kick is delivered.
        period_variation: standard deviation over mean of the periods of a setting.
        sensitivity: additional kick per unit of ``ln(elr)`` above the mean onset.
        kick_scatter: standard deviation of the kick about that line.
        initial_norm: weight norm at initialisation.
        first_kick: growth of ``ln(rho^2)`` between initialisation and the first onset.
        first_onset: mean ``ln(elr)`` at the first onset.
        loss_at_unit_gradient: training loss, in nats, where g = 1.
        loss_exponent: p in ``L = loss_at_unit_gradient g^p``.
    """

    kick: LogLine
    onset: LogLine
    kick_time: float
    period_variation: float
    sensitivity: float
    kick_scatter: float
    initial_norm: float
    first_kick: float
    first_onset: float
    loss_at_unit_gradient: float
    loss_exponent: float


@dataclass(frozen=True)
class CyclePrediction:
    """What the model says about a setting.

    Attributes:
        period: mean number of steps between onsets.
        period_low: 5th percentile of single periods, steps.
        period_high: 95th percentile of single periods, steps.
        first_jump: step of the first onset.
        effective_lr_before_jump: geometric mean at onsets.
        effective_lr_after_jump: at the lowest point of the mean cycle.
        regime: ``periodic`` or ``equilibrium``.
    """

    period: float
    period_low: float
    period_high: float
    first_jump: float
    effective_lr_before_jump: float
    effective_lr_after_jump: float
    regime: str


def decay_rate(intrinsic_lr: float) -> float:
    """Rise of ``ln(elr)`` in a step without gradient, ``r = -2 ln(1 - eta lam)``."""
    return float(-2 * np.log1p(-intrinsic_lr))


def predict(model: KickModel, learning_rate: float, weight_decay: float) -> CyclePrediction:
    """Predict the mean cycle of a setting, with a 90 % interval for single periods.

    Source: the module's docstring.

    Raises:
        ValueError: if the setting is out of range or has no decay, hence no periods.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    intrinsic_lr = learning_rate * weight_decay
    rate = decay_rate(intrinsic_lr)
    kick = mean_kick(model, intrinsic_lr)
    shortest, shape, scale = _periods(model, kick / rate, rate)
    low, high = shortest + scale * gammaincinv(shape, [0.05, 0.95])
    onset = model.onset(intrinsic_lr)
    during = rate * model.kick_time
    drop = (np.sqrt(kick + during) - np.sqrt(during)) ** 2
    return CyclePrediction(
        period=kick / rate,
        period_low=float(low),
        period_high=float(high),
        first_jump=first_rise(model, learning_rate) / rate,
        effective_lr_before_jump=float(np.exp(onset)),
        effective_lr_after_jump=float(np.exp(onset - drop)),
        regime="periodic" if growing_share(during / kick) < PERIODIC_SHARE else "equilibrium",
    )


def mean_kick(model: KickModel, intrinsic_lr: float) -> float:
    """Mean kick at an intrinsic learning rate, kept above 0 far outside the calibration."""
    return max(model.kick(intrinsic_lr), SMALLEST_RISE)


def growing_share(kick_share: float) -> float:
    """Share of a period during which the norm grows, ``sqrt(y^2 + y) - y``.

    Args:
        kick_share: y, kick time over period.
    """
    return float(np.sqrt(kick_share**2 + kick_share) - kick_share)


def first_rise(model: KickModel, learning_rate: float) -> float:
    """Mean rise of ``ln(elr)`` by decay until the first onset."""
    start = float(np.log(learning_rate / model.initial_norm**2))
    return max(model.first_onset + model.first_kick - start, SMALLEST_RISE)


def simulate(
    model: KickModel,
    learning_rate: float,
    weight_decay: float,
    *,
    n_steps: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draw one trajectory of the stochastic model; it obeys the exact norm law.

    Args:
        model: the calibrated model.
        learning_rate: eta.
        weight_decay: lam, above 0.
        n_steps: number of steps.
        rng: source of the scatter of onsets and kicks.

    Returns:
        ``weight_norm``, ``effective_grad_norm`` and ``train_loss``, each (n_steps,).

    Raises:
        ValueError: if the setting is out of range or has no decay.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    intrinsic_lr = learning_rate * weight_decay
    rate = decay_rate(intrinsic_lr)
    mean, onset_mean = mean_kick(model, intrinsic_lr), model.onset(intrinsic_lr)
    log_elr, growth = np.empty(n_steps + 1), np.empty(n_steps)
    log_elr[0] = np.log(learning_rate / model.initial_norm**2)
    kick, expected = model.first_kick, first_rise(model, learning_rate) / rate
    drop = SMALLEST_DROP
    smallest = drop + 2 * np.sqrt(drop * rate * model.kick_time)
    start = 0
    while start < n_steps:
        shortest, shape, scale = _periods(model, expected, rate)
        length = max(1, round(shortest + rng.gamma(shape, scale)))
        stop = min(start + length, n_steps)
        steps = np.arange(stop - start + 1)
        since = steps + model.kick_time
        full = kick * (1 + model.kick_time / length)
        log_elr[start : stop + 1] = log_elr[start] + rate * steps - full * steps / since
        growth[start:stop] = full * model.kick_time / (since[:-1] * since[1:])
        excess = log_elr[stop] - onset_mean
        kick = mean + model.sensitivity * excess + model.kick_scatter * rng.normal()
        kick, expected, start = max(kick, smallest), mean / rate, stop
    return _observed(model, log_elr[:-1], growth, learning_rate, rate)


def _periods(model: KickModel, mean: float, rate: float) -> tuple[float, float, float]:
    """Shortest value, shape and scale of the shifted gamma distribution of periods, in steps.

    Its mean and coefficient of variation are as asked for. No period is shorter than the way
    down to the landing and up again by as much as a jump.
    """
    landing = mean * growing_share(model.kick_time / mean)
    shortest = min(landing + JUMP_LOG_ELR / rate, mean / 2)
    shape = ((mean - shortest) / (model.period_variation * mean)) ** 2
    return shortest, shape, (mean - shortest) / shape


def _observed(
    model: KickModel,
    log_elr: FloatArray,
    growth: FloatArray,
    learning_rate: float,
    rate: float,
) -> dict[str, FloatArray]:
    """Norm, gradient and loss that belong to a path of ``ln(elr)``, by the exact laws."""
    phi = np.exp(log_elr + rate / 2)
    g = np.sqrt(np.expm1(growth)) / phi
    return {
        "weight_norm": np.sqrt(learning_rate / np.exp(log_elr)),
        "effective_grad_norm": g,
        "train_loss": model.loss_at_unit_gradient * g**model.loss_exponent,
    }
