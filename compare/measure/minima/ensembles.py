"""Ensembles of minima: successive ones of one run against those of independent runs."""

from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt
import xarray as xr

from theory.arrays import BoolArray, FloatArray

MOST_MEMBERS = 8
MOST_GROUPS = 500


def errors(
    probability: FloatArray, labels: FloatArray, settings: npt.NDArray[np.str_], minima: xr.Dataset
) -> xr.Dataset:
    """Test errors of ensembles, which average the class probabilities of their members.

    Args:
        probability: of each minimum, (n_runs, n_cycles, n_examples, n_classes), NaN where none.
        labels: true classes, (n_runs, n_examples).
        settings: name of each run's setting.
        minima: with ``minimum_train_loss`` and ``minimum_test_error`` of the same minima.

    Returns:
        On (``run``, ``ensemble_size``): ``successive_ensemble_error`` of the first k minima of
        the run, ``first_ensemble_error`` and ``last_ensemble_error`` of the first and of the last
        minima of k runs of the setting: means over the groups of k runs that this run is in, for
        k up to half of the runs. Along ``run``: ``last_minimum_error`` of the last minimum alone
        and ``best_minimum_error`` of the one with the lowest training loss.
    """
    known = np.isfinite(probability[..., 0, 0])
    n_members = max(1, min(MOST_MEMBERS, known.shape[1]))
    columns = {
        "successive_ensemble_error": _successive(probability, labels, known, n_members),
        "first_ensemble_error": np.full((len(known), n_members), np.nan),
        "last_ensemble_error": np.full((len(known), n_members), np.nan),
    }
    last = np.where(known.any(axis=1), known.shape[1] - 1 - known[:, ::-1].argmax(axis=1), 0)
    for name, index in (("first", np.zeros_like(last)), ("last", last)):
        for setting in np.unique(settings):
            there = known[np.arange(len(known)), index]
            rows = np.flatnonzero((settings == setting) & there)
            own = independent(probability[rows, index[rows]], labels[rows], n_members)
            columns[f"{name}_ensemble_error"][rows] = own
    single = minima["minimum_test_error"].values[np.arange(len(last)), last]
    loss = np.where(known, minima["minimum_train_loss"].values, np.inf)
    best = minima["minimum_test_error"].values[np.arange(len(last)), loss.argmin(axis=1)]
    return xr.Dataset(
        {name: (("run", "ensemble_size"), values) for name, values in columns.items()}
        | {"last_minimum_error": ("run", single), "best_minimum_error": ("run", best)},
        {**minima.coords, "ensemble_size": np.arange(1, n_members + 1)},
    )


def _successive(
    probability: FloatArray, labels: FloatArray, known: BoolArray, n_members: int
) -> FloatArray:
    """Errors of the first k minima of each run together; NaN where one of them is not there."""
    made = np.full((len(known), n_members), np.nan)
    for k in range(1, n_members + 1):
        whole = known[:, :k].all(axis=1)
        made[whole, k - 1] = _error(probability[whole, :k].sum(axis=1), labels[whole])
    return made


def independent(probability: FloatArray, labels: FloatArray, n_members: int) -> FloatArray:
    """Mean error of the groups of k runs that each run is in, (n_runs, n_members).

    All groups where there are at most 500, else as many drawn at random; NaN beyond half of the
    runs, where groups are hardly independent.

    Args:
        probability: (n_runs, n_examples, n_classes).
        labels: (n_runs, n_examples).
        n_members: largest k.
    """
    n_runs = len(probability)
    made = np.full((n_runs, n_members), np.nan)
    for k in range(1, min(n_members, max(1, n_runs // 2), n_runs) + 1):
        groups = _groups(n_runs, k)
        wrong = np.array([_error(probability[g].sum(axis=0), labels[g[0]]) for g in groups])
        inside = np.zeros((len(groups), n_runs), dtype=bool)
        np.put_along_axis(inside, groups, True, axis=1)
        count = inside.sum(axis=0)
        made[:, k - 1] = wrong @ inside / np.where(count > 0, count, np.nan)
    return made


def _groups(n_runs: int, k: int) -> npt.NDArray[np.int64]:
    """All groups of k of the runs, or as many at random, (n_groups, k)."""
    if comb(n_runs, k) <= MOST_GROUPS:
        return np.array(list(combinations(range(n_runs), k)))
    rng = np.random.default_rng(0)
    groups: set[tuple[int, ...]] = set()
    while len(groups) < MOST_GROUPS:
        groups.add(tuple(sorted(rng.choice(n_runs, k, replace=False).tolist())))
    return np.array(sorted(groups))


def _error(summed: FloatArray, labels: FloatArray) -> FloatArray:
    """Share of examples whose likeliest class is wrong, over the last dimension."""
    return np.asarray((summed.argmax(axis=-1) != labels).mean(axis=-1))


def standard_error(of_runs: FloatArray, k: int) -> float:
    """Jackknife standard error of the mean over all groups of k of n runs.

    Leaving out run i leaves ``(U - (k/n) h_i) / (1 - k/n)`` of the mean U over groups, where
    ``h_i`` is the mean over the groups that it is in, so

        se^2 = (n - 1)/n (k/(n - k))^2 sum (h_i - U)^2,

    for k = 1 the usual one.

    Args:
        of_runs: ``h_i``, (n,).
        k: runs in a group, fewer than n.
    """
    n = len(of_runs)
    if k >= n:
        return float("nan")
    spread = np.square(of_runs - of_runs.mean()).sum()
    return float(np.sqrt((n - 1) / n * spread) * k / (n - k))
