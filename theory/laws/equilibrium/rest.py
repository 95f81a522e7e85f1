"""A stationary state of the weight norm, and the way there."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from theory import laws, validate

LONGEST = 1e16  # steps: beyond it what decay takes in one is lost to rounding


def log_fourth_power(ratio: float) -> float:
    """Clock of SGD: its fourth power approaches the limit exponentially."""
    return float(np.log(abs(ratio**4 - 1)))


def log_square(ratio: float) -> float:
    """Clock of decoupled decay with updates of a fixed size."""
    return float(np.log(abs(ratio**2 - 1)))


def cubic_clock(ratio: float) -> float:
    """Three times the integral of ``z / (z^3 - 1)``."""
    surface = np.log(abs(ratio - 1)) - np.log(ratio**2 + ratio + 1) / 2
    return float(surface + np.sqrt(3) * np.arctan((2 * ratio + 1) / np.sqrt(3)))


@dataclass(frozen=True)
class Equilibrium:
    """A stationary state of the weight norm.

    Attributes:
        norm: weight norm.
        effective_lr: learning rate over squared norm, at that norm.
        angular_update: angle between successive weights, rad.
        relaxation_steps: steps in which a small deviation of the norm falls by a factor e.
        clock: function of ``rho / norm`` that falls by 1 in ``relaxation_steps``.
    """

    norm: float
    effective_lr: float
    angular_update: float
    relaxation_steps: float
    clock: Callable[[float], float] = field(default=log_fourth_power, repr=False)


def settling_steps(
    initial_norm: float, equilibrium: Equilibrium, *, tolerance: float = 0.01
) -> float:
    """Steps until the norm is within a relative tolerance of its equilibrium value.

    ``rho^4`` (SGD) or ``rho^2`` (AdamW, Lion) approaches its limit as
    ``exp(-t / relaxation_steps)``; with ``z = rho / norm`` Adam + L2 obeys
    ``dz/dt = -(z^3 - 1) / (3 z relaxation_steps)``. Valid from any distance while momentum and
    second moment forget faster than the norm moves.

    Source: W20, the closed form of the norm ODE; the others derived.

    Raises:
        ValueError: if the initial norm is not positive and finite, or too far away for floats.
    """
    ratio = validate.positive("initial_norm", initial_norm) / equilibrium.norm
    settled = 1 + np.copysign(tolerance, ratio - 1)
    if abs(ratio - 1) <= tolerance:
        return 0.0
    try:
        with np.errstate(over="raise", invalid="raise"):
            away = equilibrium.clock(ratio) - equilibrium.clock(settled)
    except ArithmeticError:
        away = math.inf
    if not math.isfinite(away):
        raise ValueError(
            f"initial_norm = {initial_norm:g} is too far from the equilibrium norm "
            f"{equilibrium.norm:g} to say when it is reached"
        )
    return equilibrium.relaxation_steps * away


def decaying(learning_rate: float, weight_decay: float) -> tuple[float, float]:
    """Rate and decay, checked.

    Raises:
        ValueError: if one is not positive, or their product not below 1.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    return learning_rate, validate.positive("weight_decay", weight_decay)


def at(
    learning_rate: float,
    norm: float,
    turn: float,
    relaxation_steps: float,
    clock: Callable[[float], float] = log_fourth_power,
) -> Equilibrium:
    """Collect a stationary state that turns by ``1 - cos(theta) = turn`` a step.

    Raises:
        ValueError: if one of its numbers has left the range of floating point.
    """
    numbers = {
        "norm": float(norm),
        "effective_lr": float(laws.effective_lr(norm, learning_rate)),
        "angular_update": float(laws.stationary_angle(turn)),
        "relaxation_steps": float(relaxation_steps),
    }
    for name, value in numbers.items():
        if not 0 < value < (LONGEST if name == "relaxation_steps" else math.inf):
            raise ValueError(
                f"no equilibrium within the range of floats: its {name} would be {value:g}"
            )
    return Equilibrium(**numbers, clock=clock)
