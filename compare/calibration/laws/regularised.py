r"""Laws of a network in ``ln(eta lam)``, fitted with priors instead of a choice of model.

A quantity q of a network, where decay takes the share eta lam of the norm in a step, is

    q = level + slope s(x) + straight (x - s(x)) + steps r / (1 - m) + B(x) + error,

with ``x = ln(eta lam / CENTER)`` and ``r = -2 ln(1 - eta lam)``. Towards slow decay ``s(x) = BEND
(exp(x / BEND) - 1)`` bends to a limit: with ``straight = 0`` the quantity has one as ``eta lam``
goes to 0, with ``straight = slope`` it is a line in ``ln(eta lam)``; which of them, networks say
(docs/theory.md, hypothesis 2). Steps do not depend on the decay; momentum m makes them longer. On
the way to the first jump they count as the root of ``r / (1 - m)``: fast decay has less time.
About this the quantity wanders as a Brownian motion B of ``drift^2`` a unit of x, which starts at
x = 0, and it misses each setting by an error. Momentum makes kicks ``1 + m`` times as large and
their logarithm, which is the quantity here, larger by ``ln(1 + m)``: networks of small kicks and of
large ones differ by factors, and so do the errors of both.

The numbers of all quantities together have a Gaussian prior: networks whose onsets scatter more
have periods that grow more towards slow decay, so that fast runs, which tell the scatter, tell of
slow ones. All is Gaussian and the posterior is in closed form. The further a setting lies from
those that were measured, the less is known of it; no number of parameters is chosen.

Source: Rasmussen and Williams 2006, sections 2.2 and 2.7, for several outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from theory import validate
from theory.arrays import BoolArray, FloatArray, IntArray
from theory.laws import decay_rate

CENTER = 1e-2  # of eta lam, where x is 0
BEND = 4.0
NUMBERS = 4  # level, slope, straight, steps
LEVEL, STEPS = 0, 3
SCALED = "log_kick"  # grows by ln(1 + m) with momentum m
ROOTED = "reach"  # the quantity in which steps count as a root
TOGETHER = ("onset", "landing", "reach")  # whose levels an architecture moves alike
SAME_SETTING = 1e-6  # difference of x within which settings are one
DOUBTS = tuple(float(one) for one in np.geomspace(1.0, 100.0, 15))
STUDENT = 3.0  # power with which doubts are unlikely: that of Student's t of 4 degrees of freedom
SMALLEST_SHRINK = 1e-3  # of a variance, below which a bound tells nothing
LARGEST = 1e9  # of numbers that are logarithms, or of their order


def _check_lengths(name: str, n: int, rows: Sequence[Sequence[Any]]) -> None:
    """Refuse rows of another length; raises ``ValueError``."""
    if wrong := [len(row) for row in rows if len(row) != n]:
        raise ValueError(f"{name} must hold {n} numbers of each kind, got {wrong[0]}")


def _check_range(name: str, values: Sequence[float], low: float, high: float) -> None:
    """Refuse numbers out of range, and what is no number; raises ``ValueError``."""
    if wrong := [value for value in values if not low <= value <= high]:
        raise ValueError(f"{name} must hold numbers from {low:g} to {high:g}, got {wrong[0]:g}")


@dataclass(frozen=True)
class Prior:
    """What is known of the quantities of a network before any of its runs was seen.

    Attributes:
        names: of the quantities, (n,).
        mean: level, slope, straight and steps of each, one after another, (4 n,).
        covariance: of these, (4 n) rows of (4 n).
        drift: standard deviation of what the law of each misses, over a unit of x, (n,).
        error: standard deviation of what it misses in each setting, (n,).
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    drift: tuple[float, ...]
    error: tuple[float, ...]

    def __post_init__(self) -> None:
        n = len(self.names)
        rows = (self.mean, self.covariance, *self.covariance)
        _check_lengths("prior", NUMBERS * n, rows)
        _check_lengths("prior", n, (self.drift, self.error))
        for row in (self.mean, *self.covariance):
            _check_range("prior", row, -LARGEST, LARGEST)
        _check_range("prior", (*self.drift, *self.error), 0, LARGEST)

    @cached_property
    def means(self) -> FloatArray:
        """``mean`` as an array, (4 n,), made once: it is asked for thousands of times."""
        return np.array(self.mean)

    @cached_property
    def covariances(self) -> FloatArray:
        """``covariance`` as one, (4 n, 4 n)."""
        return np.array(self.covariance)


@dataclass(frozen=True)
class Evidence:
    """Measured quantities, each in one setting; all (n,).

    Attributes:
        quantity: names.
        intrinsic_lr: eta lam of the settings.
        value: of the quantities.
        error: their standard errors.
    """

    quantity: tuple[str, ...] = ()
    intrinsic_lr: tuple[float, ...] = ()
    value: tuple[float, ...] = ()
    error: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_lengths("evidence", len(self.quantity), (self.intrinsic_lr, self.value, self.error))
        _check_range("evidence.intrinsic_lr", self.intrinsic_lr, validate.SMALLEST_INTRINSIC_LR, 1)
        _check_range("evidence.value", self.value, -LARGEST, LARGEST)
        _check_range("evidence.error", self.error, 0, LARGEST)

    def and_(self, quantity: str, intrinsic_lr: float, value: float, error: float) -> Evidence:
        """The same and one more measurement; two of one setting are one, their weighted mean."""
        rows = list(zip(self.quantity, self.intrinsic_lr, self.value, self.error, strict=True))
        for i, (name, known, old, doubt) in enumerate(rows):
            if name == quantity and abs(math.log(known / intrinsic_lr)) < SAME_SETTING:
                weights = doubt**-2, error**-2
                mean = (weights[0] * old + weights[1] * value) / sum(weights)
                rows[i] = (name, known, mean, sum(weights) ** -0.5)
                break
        else:
            rows.append((quantity, intrinsic_lr, value, error))
        return Evidence(*zip(*rows, strict=True))


@dataclass(frozen=True)
class Laws:
    """What is known of a network.

    Attributes:
        prior: before any of its runs was seen.
        evidence: what was seen.
        momentum: m, that it is trained with.
        doubt: by how much the prior's variances are larger than they were learnt to be. What
            quantities have in common is not trusted in what is added, see ``doubted``.
    """

    prior: Prior
    evidence: Evidence = Evidence()
    momentum: float = 0.0
    doubt: float = 1.0

    def __post_init__(self) -> None:
        validate.fraction("momentum", self.momentum)
        _check_range("doubt", (self.doubt,), DOUBTS[0], DOUBTS[-1])
        for name in self.evidence.quantity:
            validate.one_of("evidence.quantity", name, self.prior.names)

    def at(self, intrinsic_lr: float) -> tuple[FloatArray, FloatArray]:
        """Mean of all quantities in a setting, (n,), and their covariance, (n, n)."""
        names = self.prior.names
        return self._posterior(self._points(names, [intrinsic_lr] * len(names)))

    def of(self, quantity: str, intrinsic_lr: float) -> tuple[float, float]:
        """Mean and standard deviation of one quantity in a setting."""
        mean, covariance = self._posterior(self._points([quantity], [intrinsic_lr]))
        return float(mean[0]), float(np.sqrt(max(covariance[0, 0], 0.0)))

    def numbers(self) -> tuple[FloatArray, FloatArray]:
        """Mean of the numbers of all quantities, (4 n,), and their covariance, (4 n, 4 n)."""
        columns = np.eye(len(self.prior.mean))
        own = np.repeat(np.arange(len(self.prior.names)), NUMBERS)
        nowhere = np.full(len(columns), np.nan)  # no place on the path of a Brownian motion
        return self._posterior(_Points(columns, np.zeros(len(own)), own, nowhere))

    def told(self) -> tuple[FloatArray, FloatArray]:
        """What the evidence tells of the numbers of all quantities, whatever was known of them.

        Returns:
            Precision of the numbers, (4 n, 4 n), and precision times the likeliest ones, (4 n,).
        """
        evidence = self.evidence
        seen = self._points(evidence.quantity, evidence.intrinsic_lr)
        known = self.doubt * _missed(self.prior, seen, seen) + np.diag(np.square(evidence.error))
        weighted = np.linalg.solve(known, seen.columns)
        return seen.columns.T @ weighted, (np.array(evidence.value) - seen.fixed) @ weighted

    def seeing(self, quantity: str, intrinsic_lr: float, value: float, error: float) -> Laws:
        """What is known after one more measurement."""
        return replace(self, evidence=self.evidence.and_(quantity, intrinsic_lr, value, error))

    def doubted(self) -> Laws:
        """The same with as much doubt about the prior as the evidence asks for, at least 1.

        A network that is unlike all that are known is surprising, and what those have in common
        is trusted the less: each quantity is then known the worse, and tells the less of others.
        The doubt is the one of the largest marginal likelihood (type II, Rasmussen and Williams,
        section 5.4).
        """
        if not self.evidence.value:
            return self
        return max((replace(self, doubt=one) for one in DOUBTS), key=Laws._log_likelihood)

    def _log_likelihood(self) -> float:
        """Logarithm of the density of the evidence, with that of the doubt before it."""
        seen, known = self._seen()
        misfit = np.array(self.evidence.value) - seen.mean(self.prior)
        sign, log_det = np.linalg.slogdet(known)
        likelihood = float(-0.5 * (misfit @ np.linalg.solve(known, misfit) + sign * log_det))
        return likelihood - STUDENT * math.log(self.doubt)

    def exceeding(self, quantity: str, intrinsic_lr: float, bound: float, scatter: float) -> Laws:
        """What is known after one value of a quantity was only seen to exceed a bound.

        A period that was not over when the run ended says no more. Values scatter normally about
        that of the setting; the posterior has its mean and variance in closed form, and what would
        have led to them as a measurement is added to the rest.

        Source: Minka 2001, assumed-density filtering.

        Args:
            quantity: its name.
            intrinsic_lr: eta lam.
            bound: that the value exceeds.
            scatter: standard deviation of single values in a setting.
        """
        mean, spread = self.of(quantity, intrinsic_lr)
        both = float(np.hypot(spread, scatter))
        z = (mean - bound) / both
        surprise = math.exp(-(z**2 + math.log(2 * math.pi)) / 2 - log_ndtr(z))
        shrink = spread**2 / both**2 * surprise * (z + surprise)
        if shrink < SMALLEST_SHRINK:  # it was to be expected
            return self
        moved, left = mean + spread**2 / both * surprise, spread**2 * (1 - shrink)
        weight = 1 / left - 1 / spread**2
        value = (moved / left - mean / spread**2) / weight
        return self.seeing(quantity, intrinsic_lr, value, weight**-0.5)

    def _posterior(self, here: _Points) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance at some points, given the evidence."""
        prior, (seen, known) = self.prior, self._seen()
        between = _covariance(prior, here, seen, self.doubt)
        pull = np.linalg.solve(known, between.T).T
        mean = here.mean(prior) + pull @ (np.array(self.evidence.value) - seen.mean(prior))
        return mean, _covariance(prior, here, here, self.doubt) - pull @ between.T

    def _seen(self) -> tuple[_Points, FloatArray]:
        """Where the evidence is, and the covariance of its values before any was seen."""
        evidence = self.evidence
        seen = self._points(evidence.quantity, evidence.intrinsic_lr)
        covariance = _covariance(self.prior, seen, seen, self.doubt)
        return seen, covariance + np.diag(np.square(evidence.error))

    def _points(self, quantities: Sequence[str], intrinsic_lr: Sequence[float]) -> _Points:
        """Quantities in settings, one by one."""
        names, m = self.prior.names, self.momentum
        own = np.array([names.index(name) for name in quantities], dtype=int)
        columns = np.zeros((len(own), len(self.prior.mean)))
        for i, (which, one) in enumerate(zip(own, intrinsic_lr, strict=True)):
            steps = decay_rate(one) / (1 - m)
            row = np.array([*shape(one), math.sqrt(steps) if names[which] == ROOTED else steps])
            columns[i, NUMBERS * which : NUMBERS * (which + 1)] = row
        fixed = np.array([math.log1p(m) if names[which] == SCALED else 0.0 for which in own])
        x = np.log(np.array(intrinsic_lr, dtype=float) / CENTER)
        return _Points(columns, fixed, own, x)


@dataclass(frozen=True)
class _Points:
    """What multiplies the numbers, (k, 4 n), what is added, which quantity it is, and x, (k,)."""

    columns: FloatArray
    fixed: FloatArray
    own: IntArray
    x: FloatArray

    def mean(self, prior: Prior) -> FloatArray:
        """Of the quantities before any was seen, (k,)."""
        return np.asarray(self.columns @ prior.means + self.fixed)


def shape(intrinsic_lr: float) -> tuple[float, float, float]:
    """What multiplies level, slope and straight."""
    x = math.log(intrinsic_lr / CENTER)
    s = BEND * math.expm1(x / BEND)
    return 1.0, s, x - s


def _covariance(prior: Prior, one: _Points, other: _Points, doubt: float) -> FloatArray:
    """Covariance of quantities before any was seen, (m, k)."""
    numbers = prior.covariances
    numbers = numbers + (doubt - 1) * numbers * related(prior.names)
    law = one.columns @ numbers @ other.columns.T
    return np.asarray(law + doubt * _missed(prior, one, other))


def _missed(prior: Prior, one: _Points, other: _Points) -> FloatArray:
    """Covariance of what the laws of quantities miss, (m, k)."""
    x, y = one.x[:, None], other.x[None]
    wander = np.where(x * y > 0, np.minimum(abs(x), abs(y)), 0.0)
    same = abs(x - y) < SAME_SETTING
    drift, error = (np.square(np.array(of))[one.own][:, None] for of in (prior.drift, prior.error))
    alike = one.own[:, None] == other.own[None]
    return np.asarray(alike * (drift * wander + error * same))


@cache
def related(names: tuple[str, ...]) -> BoolArray:
    """Whether numbers are of one quantity, or of those whose levels move alike, (4 n, 4 n).

    What quantities have in common beyond this, a network that is unlike all others may not share.
    """
    groups = np.array([-1 if name in TOGETHER else i for i, name in enumerate(names)])
    groups = np.repeat(groups, NUMBERS)
    return np.asarray(groups[:, None] == groups[None])
