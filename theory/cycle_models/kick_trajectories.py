"""Trajectories of the kick model, drawn with its scatter; they obey the exact norm law."""

import numpy as np

from theory import validate
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import KickModel, MeanCycle, first_rise, mean_cycle, periods
from theory.trajectory.jumps import JUMP_LOG_ELR

SMALLEST_DROP = 1.25 * JUMP_LOG_ELR  # of a simulated jump, seen at whole steps


def simulate(
    model: KickModel,
    learning_rate: float,
    weight_decay: float,
    *,
    n_steps: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draw one trajectory of the stochastic model.

    Where decay is so fast that the smallest jump to be seen would take more off than it adds from
    one to the next, kicks have merged, and the trajectory is that of ``relax``.

    Source: the docstring of ``theory.cycle_models.kick_model``.

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
    cycle = mean_cycle(model, intrinsic_lr)
    smallest = SMALLEST_DROP + 2 * np.sqrt(SMALLEST_DROP * cycle.rate * cycle.kick_time)
    if smallest >= cycle.kick:
        return relax(model, learning_rate, weight_decay, n_steps=n_steps)
    log_elr, growth = np.empty(n_steps + 1), np.empty(n_steps)
    log_elr[0] = np.log(learning_rate / model.initial_norm**2)
    kick, expected = model.first_kick, first_rise(model, learning_rate, intrinsic_lr) / cycle.rate
    start = 0
    while start < n_steps:
        shortest, shape, scale = periods(model, cycle, intrinsic_lr, expected)
        length = max(1, round(shortest + rng.gamma(shape, scale)))
        stop = min(start + length, n_steps)
        path = _one_cycle(cycle, log_elr[start], kick, length, n_steps=stop - start)
        log_elr[start : stop + 1], growth[start:stop] = path
        excess = log_elr[stop] - cycle.onset
        kick = cycle.kick + model.sensitivity * excess + model.kick_scatter * rng.normal()
        kick, expected, start = max(kick, smallest), cycle.period, stop
    return _observed(model, log_elr[:-1], growth, learning_rate, cycle.rate)


def _one_cycle(
    cycle: MeanCycle, onset: float, kick: float, length: int, *, n_steps: int
) -> tuple[FloatArray, FloatArray]:
    """``ln(elr)`` since an onset, (n_steps + 1,), and what the kick takes off it in each step."""
    steps = np.arange(n_steps + 1.0)
    since = steps + cycle.kick_time
    full = kick * (1 + cycle.kick_time / length)
    log_elr = onset + cycle.rate * steps - full * steps / since
    return log_elr, full * cycle.kick_time / (since[:-1] * since[1:])


def relax(
    model: KickModel, learning_rate: float, weight_decay: float, *, n_steps: int
) -> dict[str, FloatArray]:
    """The way of a run in equilibrium, where kicks have merged into a constant gradient.

    Its g balances decay at the middle between onset and landing; the norm law does the rest:
    ``rho^4`` relaxes as ``exp(-4 eta lam t)``. Arguments and values are those of ``simulate``.

    Source: the equilibrium of SGD, W20 and LLA20.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    cycle = mean_cycle(model, learning_rate * weight_decay)
    rest = cycle.onset - cycle.drop / 2
    log_elr, growth = np.empty(n_steps), np.empty(n_steps)
    u = np.log(learning_rate / model.initial_norm**2)
    for step in range(n_steps):
        log_elr[step] = u
        growth[step] = np.log1p(np.expm1(cycle.rate) * np.exp(2 * (u - rest)))
        u += cycle.rate - growth[step]
    return _observed(model, log_elr, growth, learning_rate, cycle.rate)


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
