"""What networks have in common, learnt from networks other than the one to be forecast.

``known_networks.json`` holds what long runs over three decades of ``eta lam`` said of some networks
(``benchmarks/battery.py`` makes it). A network that was never seen is one more of them: its numbers
are normal about the mean of those trained the same way, with the covariance that networks have
about theirs. Mean and covariance are found by expectation maximisation, with an inverse-Wishart
prior of ``FLOOR``, so that networks of which little is known count for little. Levels of
``ln(elr)`` depend on architecture and learning rate, and are left open.

Source: Gelman et al. 2013, Bayesian Data Analysis, section 15.4; Dempster et al. 1977.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np

from compare.calibration.laws.evidence import QUANTITIES
from compare.calibration.laws.regularised import NUMBERS, Evidence, Laws, Prior
from theory.arrays import FloatArray
from theory.strict_dataclass import read

FILE = "known_networks.json"
OPEN = 3.0  # spread of the levels of ln(elr): any architecture, any rate
LEVELS = ("onset", "landing", "reach")
DATA = "digits"  # that the known networks were trained on; a loss elsewhere is not theirs
WEIGHT = 2.0  # of FLOOR, in networks
ITERATIONS = 60
OF_NO_NETWORK = 16.0  # times FLOOR: wide enough to let the runs speak
# level, slope, straight and steps of a quantity before any network: mean, then spread
FLOOR: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "log_kick": ((-0.1, -0.05, 0.0, 6.0), (0.05, 0.03, 0.02, 1)),
    "onset": ((-3.0, 0.05, 0.05, 0.0), (0.15, 0.03, 0.02, 0.0)),
    "landing": ((-3.5, 0.2, 0.1, 0.0), (0.15, 0.03, 0.02, 0.0)),
    "onset_spread": ((-1.6, -0.3, 0.0, 0.0), (0.1, 0.05, 0.0, 0.0)),
    "variation": ((-1.1, -0.05, 0.0, 0.0), (0.075, 0.025, 0.0, 0.0)),
    "reach": ((-3.2, 0.0, 0.0, 4.0), (0.15, 0.075, 0.0, 0.5)),
    "first_spread": ((-0.8, 0.1, 0.0, 0.0), (0.1, 0.05, 0.0, 0.0)),
    "growth": ((-3.0, 1.3, 1.3, 0.0), (0.2, 0.1, 0.1, 0.0)),
    "loss_floor": ((-4.0, 1.0, 0.5, 0.0), (0.5, 0.25, 0.15, 0.0)),
}
DRIFT = (0.03, 0.04, 0.04, 0.08, 0.05, 0.15, 0.1, 0.1, 0.1)  # in the order of QUANTITIES
ERROR = (0.03, 0.02, 0.02, 0.05, 0.05, 0.2, 0.1, 0.1, 0.1)


@dataclass(frozen=True)
class KnownNetwork:
    """A network of which something is known.

    Attributes:
        model: architecture.
        trained: ``scale-invariant`` or ``all``.
        momentum: that it was trained with.
        evidence: what its runs said.
    """

    model: str
    trained: str
    momentum: float
    evidence: Evidence


@cache
def known_networks() -> tuple[KnownNetwork, ...]:
    """The networks that the package knows."""
    rows = json.loads((files(__package__) / FILE).read_text(encoding="utf-8"))
    return tuple(read(KnownNetwork, row) for row in rows)


@cache
def prior_for(
    model: str, data: str = DATA, *, momentum: float = 0.0, trained: str = "scale-invariant"
) -> Prior:
    """Prior of a network, from all known ones of another architecture.

    Args:
        model: its architecture, of which nothing is used.
        data: what it is trained on; other data than those of the known networks leave the level
            of its loss open.
        momentum: that it is trained with.
        trained: which of its weights are.
    """
    others = [one for one in known_networks() if one.model != model]
    prior = from_networks(others, momentum=momentum, trained=trained)
    return prior if data == DATA else _with_open(prior, ("loss_floor",))


def from_networks(
    known: Sequence[KnownNetwork], *, momentum: float = 0.0, trained: str = "scale-invariant"
) -> Prior:
    """Prior of one more network, trained in this way.

    Args:
        known: other networks.
        momentum: of the training; between those of the known networks means are interpolated.
        trained: which weights are.
    """
    kinds = sorted({(one.trained, one.momentum) for one in known})
    means = dict.fromkeys(kinds, _floor(0))
    covariance = np.diag(_floor(1) ** 2)
    for _ in range(ITERATIONS if kinds else 0):
        means, covariance = _improved(known, means, covariance)
    mean = _interpolated(means, momentum, trained) if kinds else _floor(0)
    covariance = covariance * _doubt(known, kinds, trained)
    return _with_open(_prior(mean, covariance), LEVELS)


def _with_open(prior: Prior, names: Sequence[str]) -> Prior:
    """The prior with the levels of some quantities open, all by the same amount."""
    numbers = [NUMBERS * QUANTITIES.index(name) for name in names]
    levels = np.isin(np.arange(len(prior.mean)), numbers).astype(float)
    covariance = np.array(prior.covariance) + OPEN**2 * np.outer(levels, levels)
    return replace(prior, covariance=tuple(map(tuple, covariance.tolist())))


def _doubt(known: Sequence[KnownNetwork], kinds: Sequence["Kind"], trained: str) -> float:
    """By how much a covariance grows because mean and covariance come from so few networks.

    Variance of Student's t with as many degrees of freedom as are left, and that of the mean.
    """
    if not known:
        return OF_NO_NETWORK
    free = max(len(known) - len(kinds), 3)
    alike = max(sum(one.trained == trained for one in known), 1)
    return free / (free - 2) * (1 + 1 / alike)


def _floor(which: int) -> FloatArray:
    return np.concatenate([FLOOR[name][which] for name in QUANTITIES])


def _prior(mean: FloatArray, covariance: FloatArray) -> Prior:
    rows = tuple(map(tuple, covariance.tolist()))
    return Prior(QUANTITIES, tuple(mean.tolist()), rows, DRIFT, ERROR)


Kind = tuple[str, float]


def _improved(
    known: Sequence[KnownNetwork], means: dict[Kind, FloatArray], covariance: FloatArray
) -> tuple[dict[Kind, FloatArray], FloatArray]:
    """One step of expectation maximisation."""
    found: dict[Kind, list[FloatArray]] = {kind: [] for kind in means}
    total = WEIGHT * np.diag(_floor(1) ** 2)
    for one in known:
        prior = _prior(means[one.trained, one.momentum], covariance)
        numbers, left = Laws(prior, one.evidence, one.momentum).numbers()
        found[one.trained, one.momentum].append(numbers)
        total = total + left
    better = {kind: np.mean(rows, axis=0) for kind, rows in found.items()}
    for kind, rows in found.items():
        away = np.array(rows) - better[kind]
        total = total + away.T @ away
    return better, total / (WEIGHT + max(len(known) - len(better), 1))


def _interpolated(means: dict[Kind, FloatArray], momentum: float, trained: str) -> FloatArray:
    """The mean at a momentum, linear between those known and constant beyond."""
    alike = {m: mean for (kind, m), mean in means.items() if kind == trained}
    alike = alike or {m: mean for (_, m), mean in means.items()}
    known = sorted(alike)
    table = np.array([alike[one] for one in known])
    return np.array([np.interp(momentum, known, column) for column in table.T])
