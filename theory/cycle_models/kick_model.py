r"""The kick model: a relaxation oscillator for the effective learning rate.

Between destabilisations weight decay raises ``u = ln(elr)`` by ``r = -2 ln(1 - eta lam)`` a
step, exactly. A destabilisation turns the weights by large angles, which grows the norm: over the
T steps until the next one it takes a *kick* K off u, which the log balance (A26) ties to T:

    period               T = K / r
    kick                 K = K1 + slope ln(eta lam) + r T_rec

so that a period is a climb, which takes ``(K1 + slope ln(eta lam)) / r`` steps, and a recovery of
T_rec steps whatever the decay (docs/theory.md, hypothesis 2). The baseline of every prediction is
``T eta lam = const``: slope and recovery zero. Onset and landing, the highest and lowest ``u`` of a
cycle, are lines in ``ln(eta lam)`` too. In between

    u(s) = u_onset + r s - K (1 + s0/T) s / (s + s0),    phi g ~ sqrt(K s0 (1 + s0/T)) / (s + s0),

the shape that the gradient law ``g ~ 1 / (accumulated elr)`` gives (docs/theory.md, hypothesis 1),
s steps after the onset. It is lowest ``(sqrt(K + r s0) - sqrt(r s0))^2`` below the onset, which
fixes s0.

The share of the time during which the norm grows is 0 for a sawtooth with sudden jumps and 1/2
for a motion that looks the same backwards in time, as noise about an equilibrium does; the border
is half-way. For the shape above the share is ``sqrt(y^2 + y) - y`` with ``y = s0 / T``; measured
shares, written as y, are a power of ``eta lam``, and scatter from run to run, which gives the
regime a probability.

The onsets scatter. The time between them has a shifted gamma distribution with mean T and a
coefficient of variation that is calibrated; a kick from a higher onset is larger, by
``sensitivity`` times the excess, which keeps u near its mean. No kick is so small that its jump
would not count as one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtr

from theory import validate
from theory.cycle_models.log_line import LogLine
from theory.laws import decay_rate
from theory.trajectory.jumps import JUMP_LOG_ELR
from theory.trajectory.regimes import PERIODIC_SHARE

SMALLEST_RISE = 0.05  # of ln(elr), where a far extrapolation would go below zero
LARGEST_DROP = 0.99  # of a kick: some of it is delivered after the landing
SMALLEST_SPREAD = 0.01  # of a normal distribution, where calibration saw less
TYPICAL_CYCLES = 10


@dataclass(frozen=True)
class KickModel:
    """What calibration finds out about one network and data set; all but steps dimensionless.

    Attributes:
        kick: mean growth of ``ln(rho^2)`` in one destabilisation, without recovery.
        recovery: T_rec, steps of a period that do not depend on the decay.
        onset: mean ``ln(elr)`` at which destabilisations set in.
        landing: mean ``ln(elr)`` at which they end.
        variation: standard deviation over mean of the periods of a setting.
        growth: ``ln y`` of the share of the time during which the norm grows.
        growth_scatter: standard deviation of ``ln y`` over runs, times the root of their cycles.
        growth_error: standard deviation of the settings' mean ``ln y`` about the line.
        sensitivity: additional kick per unit of ``ln(elr)`` above the mean onset.
        kick_scatter: standard deviation of the kick about that line.
        initial_norm: weight norm at initialisation.
        first_reach: ``ln(elr)`` that decay alone would have reached at the first onset.
        first_variation: standard deviation of the first onset, over its mean.
        first_kick: growth of ``ln(rho^2)`` between initialisation and the first onset.
        loss_at_unit_gradient: training loss, in nats, where g = 1.
        loss_exponent: p in ``L = loss_at_unit_gradient g^p``.
    """

    kick: LogLine
    recovery: float
    onset: LogLine
    landing: LogLine
    variation: LogLine
    growth: LogLine
    growth_scatter: float
    growth_error: float
    sensitivity: float
    kick_scatter: float
    initial_norm: float
    first_reach: LogLine
    first_variation: float
    first_kick: float
    loss_at_unit_gradient: float
    loss_exponent: float

    def __post_init__(self) -> None:
        validate.positive("initial_norm", self.initial_norm)


@dataclass(frozen=True)
class CyclePrediction:
    """What the model says about a setting.

    Attributes:
        period: mean number of steps between onsets.
        period_low: 5th percentile of single periods, steps.
        period_high: 95th percentile of single periods, steps.
        first_jump: step of the first onset.
        effective_lr_before_jump: geometric mean at onsets.
        effective_lr_after_jump: geometric mean at the lowest point after them.
        regime: the most probable of ``periodic``, ``equilibrium`` and, for runs that end before
            the first jump, ``convergence``.
        regime_probability: its probability.
    """

    period: float
    period_low: float
    period_high: float
    first_jump: float
    effective_lr_before_jump: float
    effective_lr_after_jump: float
    regime: str
    regime_probability: float


@dataclass(frozen=True)
class MeanCycle:
    """The mean cycle of a setting.

    Attributes:
        rate: r, rise of ``ln(elr)`` by decay in a step.
        kick: K.
        onset: highest ``ln(elr)``.
        drop: from the onset to the lowest ``ln(elr)``.
        kick_time: s0, steps in which about half of a kick is delivered.
    """

    rate: float
    kick: float
    onset: float
    drop: float
    kick_time: float

    @property
    def period(self) -> float:
        """T, steps."""
        return self.kick / self.rate


def mean_cycle(model: KickModel, intrinsic_lr: float) -> MeanCycle:
    """The mean cycle; kick and drop are kept above 0 far outside the calibration.

    Source: the module's docstring.
    """
    rate = decay_rate(intrinsic_lr)
    kick = max(model.kick(intrinsic_lr) + rate * model.recovery, SMALLEST_RISE)
    onset = model.onset(intrinsic_lr)
    drop = max(onset - model.landing(intrinsic_lr), JUMP_LOG_ELR)
    drop = min(drop, LARGEST_DROP * kick)
    return MeanCycle(rate, kick, onset, drop, (kick - drop) ** 2 / (4 * drop * rate))


def predict(
    model: KickModel, learning_rate: float, weight_decay: float, *, n_steps: float | None = None
) -> CyclePrediction:
    """Predict the mean cycle of a setting, with a 90 % interval for single periods.

    Args:
        model: the calibrated model.
        learning_rate: eta.
        weight_decay: lam, above 0.
        n_steps: length of the run whose regime is asked for; ``TYPICAL_CYCLES`` periods after the
            first jump by default.

    Source: the module's docstring.

    Raises:
        ValueError: if the setting is out of range or has no decay, hence no periods.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    intrinsic_lr = learning_rate * weight_decay
    cycle = mean_cycle(model, intrinsic_lr)
    shortest, shape, scale = periods(model, cycle, intrinsic_lr)
    low, high = shortest + scale * gammaincinv(shape, [0.05, 0.95])
    first = first_rise(model, learning_rate, intrinsic_lr) / cycle.rate
    length = first + TYPICAL_CYCLES * cycle.period if n_steps is None else n_steps
    chances = regime_probabilities(model, intrinsic_lr, first, length)
    regime = max(chances, key=lambda name: chances[name])
    return CyclePrediction(
        period=cycle.period,
        period_low=float(low),
        period_high=float(high),
        first_jump=first,
        effective_lr_before_jump=float(np.exp(cycle.onset)),
        effective_lr_after_jump=float(np.exp(cycle.onset - cycle.drop)),
        regime=regime,
        regime_probability=chances[regime],
    )


def regime_probabilities(
    model: KickModel, intrinsic_lr: float, first_jump: float, n_steps: float
) -> dict[str, float]:
    """Probability of each regime that a run of so many steps may be seen in.

    A run is in ``convergence`` if it ends before its first jump. Otherwise ``ln y`` of its growing
    share is normal about the calibrated line, with a variance that falls as one over the cycles
    down to that of the line itself.

    Args:
        model: the calibrated model.
        intrinsic_lr: eta lam.
        first_jump: mean step of the first onset.
        n_steps: length of the run.
    """
    jumps = float(ndtr((n_steps / first_jump - 1) / max(model.first_variation, SMALLEST_SPREAD)))
    n_cycles = max((n_steps - first_jump) / mean_cycle(model, intrinsic_lr).period, 1.0)
    border = float(np.log(time_share(PERIODIC_SHARE)))
    spread = np.hypot(model.growth_scatter / np.sqrt(n_cycles), model.growth_error)
    spread = max(float(spread), SMALLEST_SPREAD)
    sawtooth = float(ndtr((border - model.growth(intrinsic_lr)) / spread))
    return {
        "periodic": jumps * sawtooth,
        "equilibrium": jumps * (1 - sawtooth),
        "convergence": 1 - jumps,
    }


def growing_share(kick_share: float) -> float:
    """Share of a period during which the norm grows, ``sqrt(y^2 + y) - y``.

    Args:
        kick_share: y, kick time over period.
    """
    return float(np.sqrt(kick_share**2 + kick_share) - kick_share)


def time_share(growing: float) -> float:
    """The y of a growing share below 1/2; the inverse of ``growing_share``."""
    return growing**2 / (1 - 2 * growing)


def first_rise(model: KickModel, learning_rate: float, intrinsic_lr: float) -> float:
    """Mean rise of ``ln(elr)`` by decay until the first onset."""
    start = float(np.log(learning_rate / model.initial_norm**2))
    climb = model.first_reach(intrinsic_lr) - start
    return max(climb, SMALLEST_RISE)


def periods(
    model: KickModel, cycle: MeanCycle, intrinsic_lr: float, mean: float | None = None
) -> tuple[float, float, float]:
    """Shortest value, shape and scale of the shifted gamma distribution of periods, in steps.

    Its mean (by default that of the cycle) and coefficient of variation are as asked for. No
    period is shorter than the way down to the landing and up again by as much as a jump.
    """
    mean = cycle.period if mean is None else mean
    variation = max(model.variation(intrinsic_lr), SMALLEST_SPREAD)
    landing = mean * growing_share(float(np.exp(model.growth(intrinsic_lr))))
    shortest = min(landing + JUMP_LOG_ELR / cycle.rate, mean / 2)
    shape = ((mean - shortest) / (variation * mean)) ** 2
    return shortest, shape, (mean - shortest) / shape
