"""The population that networks are drawn from, found from those that are known.

The numbers of a network's laws are normal: about the mean of the networks that are trained the same
way, moved in proportion to the features of its size and by what convolution changes, with the
covariance that networks have about that. All is found by expectation maximisation, with an
inverse-Wishart prior of ``FLOOR``, so that networks of which little is known count for little.

Source: Gelman et al. 2013, Bayesian Data Analysis, sections 15.4 and 14.6; Dempster et al. 1977.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import block_diag

from compare.calibration.laws.evidence import QUANTITIES
from compare.calibration.laws.network_size import FEATURES, NOT_KNOWN, NetworkSize, features
from compare.calibration.laws.regularised import (
    LEVEL,
    NUMBERS,
    SCALED,
    Evidence,
    Laws,
    Prior,
    related,
)
from theory.arrays import BoolArray, FloatArray

WEIGHT = 2.0  # of FLOOR, in networks
OF_NO_NETWORK = 16.0  # times FLOOR's variances: wide enough to let the runs speak
OF_MEANS = 100.0  # likewise, of the mean of a kind, and of what convolution changes
SMALLEST_SPREAD = 1e-4  # of a number that is as good as fixed
FEWEST_FREE = 3  # networks beyond those that means and changes take
OF_UNLIKE = 4.0  # times the variances of networks, of each quantity by itself, where one is unlike
PER_FEATURE = 4.0  # spread of a number's change with a feature, over that of networks
CONVOLUTIONAL, DENSE = ("convnet", "resnet18"), ("mlp",)  # families of the project's own
UNDECIDED = 0.5  # probability of convolution where nothing is known of an architecture
DATA = "digits"  # what most known networks were trained on
# level, slope, straight and steps of a quantity before any network: mean, then spread
FLOOR: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "log_kick": ((-0.1, -0.05, 0.0, 6.0), (0.05, 0.03, 0.02, 1)),
    "youth": ((0.0, 0.0, 0.0, 0.0), (0.01, 0.015, 0.0, 0.0)),
    "onset": ((-3.0, 0.05, 0.05, 0.0), (0.15, 0.03, 0.02, 0.0)),
    "landing": ((-3.5, 0.2, 0.1, 0.0), (0.15, 0.03, 0.02, 0.0)),
    "onset_spread": ((-1.6, -0.3, 0.0, 0.0), (0.1, 0.05, 0.0, 0.0)),
    "variation": ((-1.1, -0.05, 0.0, 0.0), (0.075, 0.025, 0.0, 0.0)),
    "reach": ((-3.2, 0.0, 0.0, 4.0), (0.15, 0.075, 0.0, 0.5)),
    "first_spread": ((-0.8, 0.1, 0.0, 0.0), (0.1, 0.05, 0.0, 0.0)),
    "growth": ((-3.0, 1.3, 1.3, 0.0), (0.2, 0.1, 0.1, 0.0)),
    "loss_floor": ((-4.0, 1.0, 0.5, 0.0), (0.5, 0.25, 0.15, 0.0)),
}
DRIFT = (0.03, 0.0, 0.04, 0.04, 0.08, 0.05, 0.15, 0.1, 0.1, 0.1)  # in the order of QUANTITIES
ERROR = (0.03, 0.02, 0.02, 0.02, 0.05, 0.05, 0.2, 0.1, 0.1, 0.1)
_LEVEL_OF_KICKS = NUMBERS * QUANTITIES.index(SCALED) + LEVEL

Kinds = tuple[tuple[str, float], ...]  # which weights are trained, and with which momentum


@dataclass(frozen=True)
class KnownNetwork:
    """A network of which something is known.

    Attributes:
        model: architecture.
        trained: ``scale-invariant`` or ``all``.
        momentum: that it was trained with.
        size: of it and of its data.
        evidence: what its runs said.
        data: what it was trained on.
    """

    model: str
    trained: str
    momentum: float
    size: NetworkSize
    evidence: Evidence
    data: str = DATA

    @property
    def convolution(self) -> float:
        """Probability that it is convolutional."""
        return convolution(self.model, self.size)

    @property
    def shares(self) -> FloatArray:
        """See ``shares_of``."""
        return shares_of(self.convolution, self.data)


def shares_of(convolution: float, data: str) -> FloatArray:
    """How much of a network is convolutional, and that on other data than the digits, (2,).

    Kernels fit the digits as no other weights do, and kicks grow without end; photographs they do
    not (docs/results.md).
    """
    return convolution * np.array([1.0, float(data != DATA)])


def convolution(model: str, size: NetworkSize | None) -> float:
    """Probability that a network is convolutional: by its family, or else by its weights."""
    if is_of(model, DENSE):
        return 0.0
    if is_of(model, CONVOLUTIONAL):
        return 1.0
    if size is None or size.n_kernels == NOT_KNOWN:
        return UNDECIDED
    return float(size.n_kernels > 0)


def is_of(model: str, families: tuple[str, ...]) -> bool:
    """Whether an architecture is of one of the project's own families; no user's module is."""
    return model.partition("-")[0] in families


@dataclass(frozen=True)
class Population:
    """Networks, and the normal distribution that they are drawn from.

    Attributes:
        known: the networks.
        kinds: ways in which they are trained (which weights, momentum), each with its own mean.
        centre: features of a network of usual size, (3,).
        unlike: which of ``shares_of`` some have and some have not, (2,).
        design: what multiplies the rows of ``numbers`` for each network, (n, n_rows).
        told: precision with which its runs tell the numbers of each network, (n, 4 q, 4 q).
        weighted: this times the likeliest ones, (n, 4 q).
        numbers: mean of each kind, then for each choice of trained weights the change with each
            feature, then that with each of ``unlike``, (n_rows, 4 q).
        unknown: covariance of what is not known of these, one after another.
        covariance: of networks about their means, (4 q, 4 q).
    """

    known: tuple[KnownNetwork, ...]
    kinds: Kinds
    centre: FloatArray
    unlike: BoolArray
    design: FloatArray
    told: FloatArray
    weighted: FloatArray
    numbers: FloatArray
    unknown: FloatArray
    covariance: FloatArray

    @property
    def n_shares(self) -> int:
        """Rows of ``numbers`` for what some have and some have not."""
        return int(self.unlike.sum())

    @classmethod
    def of(cls, known: Sequence[KnownNetwork]) -> Population:
        """Networks of which nothing was learnt yet but their means."""
        kinds = tuple(sorted({(one.trained, one.momentum) for one in known}))
        centre = np.mean([features(one.size.measures) for one in known], axis=0)
        shares = np.array([one.shares for one in known])
        unlike = np.ptp(shares, axis=0) > 0
        rows = [
            _row(
                kinds,
                _weights(kinds, one.momentum, one.trained),
                features(one.size.measures) - centre,
                share,
            )
            for one, share in zip(known, shares[:, unlike], strict=True)
        ]
        nothing = prior(floor(0), np.diag(floor(1) ** 2))
        told, weighted = zip(
            *[Laws(nothing, one.evidence, one.momentum).told() for one in known], strict=True
        )
        found = cls(
            known=tuple(known),
            kinds=kinds,
            centre=centre,
            unlike=unlike,
            design=np.array(rows),
            told=np.array(told),
            weighted=np.array(weighted),
            numbers=np.empty((0, 0)),
            unknown=np.empty((0, 0)),
            covariance=np.diag(floor(1) ** 2),
        )
        return found._with_means()  # first: far from them the covariance would grow instead

    def improved(self) -> Population:
        """One step: the covariance by expectation maximisation, then the means given it."""
        means = self.design @ self.numbers
        surprise = self.weighted - (self.told @ means[..., None])[..., 0]
        shrunk = self._shrunk(np.concatenate([surprise[..., None], self.told], axis=2))
        away = shrunk[..., 0] @ self.covariance
        told = self.covariance @ shrunk[..., 1:].sum(axis=0) @ self.covariance
        left = len(self.known) * self.covariance - told
        total = WEIGHT * np.diag(floor(1) ** 2) + left + away.T @ away
        return replace(self, covariance=total / (WEIGHT + len(self.known)))._with_means()

    def _with_means(self) -> Population:
        """The means of the largest posterior given the covariance, and what is left unknown."""
        n_kinds, n = len(self.kinds), len(floor(0))
        n_changes = self.design.shape[1] - n_kinds - self.n_shares
        of_kinds = np.diag(1 / (OF_MEANS * floor(1) ** 2))
        of_changes = np.linalg.inv(self.covariance) / PER_FEATURE**2
        precision = block_diag(
            *[of_kinds] * n_kinds, *[of_changes] * n_changes, *[of_kinds] * self.n_shares
        )
        n_others = n * (n_changes + self.n_shares)
        pull = np.concatenate([*[of_kinds @ floor(0)] * n_kinds, np.zeros(n_others)])
        shrunk = self._shrunk(np.concatenate([self.weighted[..., None], self.told], axis=2))
        pull += np.einsum("ir,ia->ra", self.design, shrunk[..., 0]).ravel()
        squares = np.einsum("ir,is,iab->rasb", self.design, self.design, shrunk[..., 1:])
        precision += squares.reshape(precision.shape)
        unknown = np.linalg.inv(precision)
        numbers = (unknown @ pull).reshape(-1, n)
        return replace(self, numbers=numbers, unknown=unknown)

    def _shrunk(self, columns: FloatArray) -> FloatArray:
        """What runs tell, less what networks differ by: ``(1 + told covariance)^-1 columns``.

        Args:
            columns: of each network, (n, 4 q, k).
        """
        shrink = np.eye(len(self.covariance)) + self.told @ self.covariance
        return np.asarray(np.linalg.solve(shrink, columns))

    def another(
        self,
        momentum: float,
        trained: str,
        size: NetworkSize | None,
        *,
        convolution: float = 0.0,
        data: str = DATA,
        alike: bool = True,
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of the numbers of one more network.

        They are those of a normal distribution as wide as the Student's t that is left where mean
        and covariance come from so few networks, the more so the less the network is like them.

        Args:
            momentum: of its training; between the known ones means are interpolated.
            trained: which weights are.
            size: of the network; None for that of any which is known. One outside of their range
                has the mean of the nearest, and is known no better than one of any size.
            convolution: probability that it is convolutional.
            data: what it is trained on.
            alike: whether all else about it is as with the known ones. Else it goes by a size that
                is not its own: smaller batches or noisy labels leave a gradient at the end as
                fewer weights do, and it is known no better than one of any size. Each quantity is
                then known worse by itself too, with what sizes outside of the known ones add.
        """
        if self.n_shares and 0 < convolution < 1:
            return self._either(momentum, trained, size, convolution, data, alike=alike)
        weights = _weights(self.kinds, momentum, trained)
        sizes = np.array([one.size.measures for one in self.known])
        own = sizes.mean(axis=0) if size is None else size.measures
        nearest = np.clip(own, sizes.min(axis=0), sizes.max(axis=0))
        away = self.centre if size is None else features(nearest)
        shares = shares_of(convolution, data)[self.unlike]
        row = _row(self.kinds, weights, away - self.centre, shares)
        levels = _weights(self.kinds, momentum, trained, beyond=True)
        of_levels = np.concatenate([levels, row[len(levels) :]])
        mean = row @ self.numbers
        mean[LEVEL::NUMBERS] = (of_levels @ self.numbers)[LEVEL::NUMBERS]
        mean[_LEVEL_OF_KICKS] += _enlarged(self.kinds, levels) - math.log1p(momentum)
        covariance = self.covariance
        if size is None or (nearest != own).any():
            covariance = covariance + self._of_sizes(weights)
        whole, beyond = (np.kron(one, np.eye(len(mean))) for one in (row, of_levels))
        whole[LEVEL::NUMBERS] = beyond[LEVEL::NUMBERS]
        covariance = covariance + whole @ self.unknown @ whole.T
        if not alike:
            covariance = covariance * np.where(related(QUANTITIES), OF_UNLIKE, 1.0)
            covariance = covariance + self._of_sizes(weights)
        n_free = max(len(self.known) - len(self.numbers), FEWEST_FREE)
        return mean, len(self.known) / n_free * covariance * n_free / (n_free - 2)

    def _either(
        self,
        momentum: float,
        trained: str,
        size: NetworkSize | None,
        convolution: float,
        data: str,
        *,
        alike: bool,
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of a network that is convolutional with some probability."""
        (dense, of_dense), (convolved, of_convolved) = (
            self.another(momentum, trained, size, convolution=share, data=data, alike=alike)
            for share in (0.0, 1.0)
        )
        apart = convolved - dense
        within = (1 - convolution) * of_dense + convolution * of_convolved
        between = convolution * (1 - convolution) * np.outer(apart, apart)
        return dense + convolution * apart, within + between

    def _of_sizes(self, weights: FloatArray) -> FloatArray:
        """Covariance of the means of networks of all known sizes, (4 q, 4 q)."""
        shares = np.zeros(self.n_shares)
        usual = _row(self.kinds, weights, np.zeros(FEATURES), shares)
        change = np.array(
            [_row(self.kinds, weights, one, shares) - usual for one in np.eye(FEATURES)]
        )
        change = change @ self.numbers
        sizes = np.array([features(one.size.measures) for one in self.known])
        return np.asarray(change.T @ np.cov(sizes.T, bias=True) @ change)


def _row(kinds: Kinds, weights: FloatArray, away: FloatArray, unlike: FloatArray) -> FloatArray:
    """What multiplies the numbers for a network of such kinds and features, (n_rows,)."""
    ways = sorted({trained for trained, _ in kinds})
    shares = [
        sum(w for w, (of, _) in zip(weights, kinds, strict=True) if of == way) for way in ways
    ]
    return np.concatenate([weights, np.outer(shares, away).ravel(), unlike])


def _weights(kinds: Kinds, momentum: float, trained: str, *, beyond: bool = False) -> FloatArray:
    """Of the kinds: what makes a mean of theirs that of one more, (n_kinds,).

    Levels of ``ln(elr)`` go with the logarithm of how far a gradient carries, ``1/(1 - m)``:
    linear in it between momenta that are known; beyond the largest only if asked to. Where momentum
    is larger than with any network of which the same weights are trained, it changes what it does
    with the others.
    """
    if not beyond:
        momentum = min(momentum, max(known for _, known in kinds))
    ways = {of: max(m for way, m in kinds if way == of) for of, _ in kinds}
    trained = trained if trained in ways else max(ways, key=lambda of: ways[of])
    known = max(ways, key=lambda of: ways[of])
    if momentum <= ways[trained] or ways[known] <= ways[trained]:
        return _along(kinds, momentum, trained)
    own, others = ways[trained], _along(kinds, momentum, known)
    return _along(kinds, own, trained) + others - _along(kinds, own, known)


def _along(kinds: Kinds, momentum: float, trained: str) -> FloatArray:
    """The same along the momenta that are known where these weights are trained."""
    alike = [i for i, (of, _) in enumerate(kinds) if of == trained]
    carried = np.array([carry(kinds[i][1]) for i in alike])
    weights = np.zeros(len(kinds))
    if len(alike) == 1:
        weights[alike] = 1.0
        return weights
    last = int(np.clip(np.searchsorted(carried, carry(momentum)), 1, len(alike) - 1))
    share = (carry(momentum) - carried[last - 1]) / (carried[last] - carried[last - 1])
    share = max(share, 0.0)
    weights[alike[last - 1]], weights[alike[last]] = 1 - share, share
    return weights


def _enlarged(kinds: Kinds, weights: FloatArray) -> float:
    """What momentum makes of the logarithm of kicks, see ``Laws``, where it goes as levels do."""
    return float(weights @ np.log1p([momentum for _, momentum in kinds]))


def carry(momentum: float) -> float:
    """Logarithm of how far one gradient carries: ``1/(1 - m)`` steps."""
    return -math.log1p(-momentum)


def prior(mean: FloatArray, covariance: FloatArray) -> Prior:
    """The prior with these numbers."""
    rows = tuple(map(tuple, covariance.tolist()))
    return Prior(QUANTITIES, tuple(mean.tolist()), rows, DRIFT, ERROR)


def floor(which: int) -> FloatArray:
    """Means (0) or spreads (1) of all numbers before any network, (4 q,)."""
    found = np.concatenate([FLOOR[name][which] for name in QUANTITIES])
    return np.maximum(found, SMALLEST_SPREAD) if which else found
