"""What networks have in common, learnt from networks other than the one to be forecast.

``known_networks.json`` holds what long runs over three decades of ``eta lam`` said of some networks
(``benchmarks/battery.py`` makes it). A network that was never seen is one more of their population
(``population``). Levels of ``ln(elr)`` depend on architecture and data, and are left open where
these are others than the known ones.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np

from compare.calibration.beginning import raised
from compare.calibration.laws.evidence import QUANTITIES
from compare.calibration.laws.network_size import NetworkSize
from compare.calibration.laws.population import (
    DATA,
    DENSE,
    OF_NO_NETWORK,
    KnownNetwork,
    Population,
    convolution,
    floor,
    is_of,
    prior,
)
from compare.calibration.laws.regularised import LEVEL, NUMBERS, STEPS, Prior
from empirical.training.recipe import Recipe
from theory.strict_dataclass import read

FILE = "known_networks.json"
OPEN = 3.0  # spread of the levels of ln(elr): any architecture, any data
ANY_YOUTH = 0.5  # likewise of the youth of a network, where no network is known
REACH = "reach"
LEVELS = ("onset", "landing", REACH)
LEARNING = (REACH,)  # a network that still learns jumps late, by steps, whatever its periods
OF_CONVNETS = 0.8  # probability that a convolutional network is as the known ConvNets are
LATE, LATE_STEPS = 1.0, 20.0  # spread of its level and of its steps
RATE, OF_KERNELS = 0.5, 0.4  # that known networks were trained at; ConvNets without momentum
GROWTH = 0.5  # of ln(rho^2) until the first jump, at that rate
OTHER_WAY = 0.6  # spread of ln y where no known network is trained with such momentum
OF_RATE = 0.2  # spread of where the first jump comes, over the ln of another rate
ITERATIONS = 20


@cache
def known_networks() -> tuple[KnownNetwork, ...]:
    """The networks that the package knows."""
    rows = json.loads((files(__package__) / FILE).read_text(encoding="utf-8"))
    return tuple(read(KnownNetwork, row) for row in rows)


def prior_of(
    recipe: Recipe, *, learning_rate: float, momentum: float, size: NetworkSize | None
) -> Prior:
    """Prior of a network that is trained in this way; see ``prior_for``."""
    return prior_for(
        recipe.model,
        recipe.data,
        rate=times_rate(recipe.model, learning_rate, momentum),
        momentum=momentum,
        trained=recipe.trained,
        size=size,
        usual=recipe.usual,
        noisy_labels=recipe.label_noise > 0,
    )


def usual_rate(model: str, momentum: float) -> float:
    """Learning rate that the known networks which are most like a model were trained at."""
    rate = RATE if momentum or is_of(model, DENSE) else OF_KERNELS
    return rate * (1 - momentum)


def times_rate(model: str, learning_rate: float, momentum: float) -> float:
    """A learning rate over the usual one; exactly 1 at that."""
    found = learning_rate / usual_rate(model, momentum)
    return 1.0 if math.isclose(found, 1) else found


@cache
def prior_for(
    model: str,
    data: str = DATA,
    *,
    rate: float = 1.0,
    momentum: float = 0.0,
    trained: str = "scale-invariant",
    size: NetworkSize | None = None,
    usual: bool = True,
    noisy_labels: bool = False,
) -> Prior:
    """Prior of a network, from all known ones of another architecture.

    One that is not trained as they are, on other data or fewer of them, or is not dense, may go by
    the size of any. The levels of its ``ln(elr)`` are open, and those of one whose size
    is not known.

    Args:
        model: its architecture.
        data: what it is trained on; data other than the digits leave the level of the loss open.
        rate: its learning rate over ``usual_rate``. By law 9 another rate changes nothing but
            the start, and so the way to the first jump, see ``calibration.beginning``.
        momentum: that it is trained with.
        trained: which of its weights are.
        size: of the network and its data, where it is known.
        usual: whether all else about its training is as with the known ones.
        noisy_labels: whether some labels are wrong, which leaves the level of the loss open too.
    """
    others = [one for one in known_networks() if model != one.model and not one.size.same_as(size)]
    dense = [one for one in others if not one.convolution]
    share = convolution(model, size)
    same_losses = data == DATA and not noisy_labels
    alike = (
        usual
        and same_losses
        and is_of(model, DENSE)
        and (size is None or size.n_examples in {one.size.n_examples for one in dense})
    )
    found = from_networks(
        others if share else dense,
        momentum=momentum,
        trained=trained,
        size=size,
        convolution=min(share, OF_CONVNETS),
        data=data,
        alike=alike,
    )
    if not same_losses:
        found = _with_open(found, ("loss_floor",))
    if not alike:
        found = _with_open(_with_open(found, LEARNING, LATE), LEARNING, LATE_STEPS, STEPS)
    if rate != 1:
        found = _at_rate(found, math.log(rate))
    return found if alike and size else _with_open(found, LEVELS)


def _at_rate(held: Prior, away: float) -> Prior:
    """The prior of a run whose ``ln(elr)`` is higher at the start."""
    mean = list(held.mean)
    mean[NUMBERS * QUANTITIES.index(REACH) + LEVEL] += raised(away, GROWTH)
    return _with_open(replace(held, mean=tuple(mean)), (REACH,), OF_RATE * abs(away))


def from_networks(
    known: Sequence[KnownNetwork],
    *,
    momentum: float = 0.0,
    trained: str = "scale-invariant",
    size: NetworkSize | None = None,
    convolution: float = 0.0,
    data: str = DATA,
    alike: bool = True,
) -> Prior:
    """Prior of one more network, trained in this way.

    Args:
        known: other networks.
        momentum: of the training.
        trained: which weights are.
        size: of the network and its data; None for one as large as any that is known.
        convolution: probability that it is convolutional.
        data: what it is trained on.
        alike: whether all else about it is as with the others; see ``Population.another``.
    """
    if not known:
        wide = prior(floor(0), np.diag(OF_NO_NETWORK * floor(1) ** 2))
        return _with_open(_with_open(wide, ("youth",), ANY_YOUTH), LEVELS)
    population = Population.of(known)
    for _ in range(ITERATIONS):
        population = population.improved()
    found = population.another(
        momentum, trained, size, convolution=convolution, data=data, alike=alike
    )
    made = prior(*found)
    if (trained, momentum) not in population.kinds:
        return _with_open(made, ("growth",), OTHER_WAY)
    return made


def _with_open(
    held: Prior, names: Sequence[str], spread: float = OPEN, number: int = LEVEL
) -> Prior:
    """The prior with one number of some quantities open, in all by the same amount."""
    numbers = [NUMBERS * QUANTITIES.index(name) + number for name in names]
    opened = np.isin(np.arange(len(held.mean)), numbers).astype(float)
    covariance = np.array(held.covariance) + spread**2 * np.outer(opened, opened)
    return replace(held, covariance=tuple(map(tuple, covariance.tolist())))
