"""Minima of successive periods: how good each is, how alike two are, what they are worth together.

The minimum of a period is the evaluation with the lowest training loss between the landing that
begins the period and the onset that ends its rise. Training loss is the one on fixed examples
where it was measured, else the geometric mean over the steps nearer to this evaluation than to
another, within the rise.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import xarray as xr

from compare.measure.minima import ensembles
from theory.arrays import FloatArray, IntArray
from theory.trajectory import record_every, recorded, setting_of

NONE = -1


def compare(networks: xr.Dataset, cycles: xr.Dataset) -> xr.Dataset:
    """Compare the minima of successive periods with each other and with those of other seeds.

    Args:
        networks: trajectories with ``test_error`` on ``eval_step``; with ``direction_sketch``
            directions are compared, with ``test_probability`` predictions.
        cycles: ``cycle_landing`` and ``cycle_onset`` of the same runs, see
        ``compare.measure.phases``.

    Returns:
        On (``run``, ``cycle``), NaN where a rise is not complete or holds no evaluation:
        ``minimum_step``, ``minimum_train_loss``, ``minimum_test_error``; ``successive_cosine`` and
        ``successive_disagreement`` between a minimum and the next one of the run;
        ``independent_cosine`` and ``independent_disagreement``, means over the minima of the same
        period of other seeds. Cosines are those of ``w/rho``, from a random projection and good to
        0.12 each. Disagreement is the share of test examples put in different classes. With
        predictions also the variables of ``ensembles``. Empty where nothing
        was evaluated.
    """
    if "test_error" not in networks:
        return xr.Dataset()
    chosen, loss = _choose(networks, cycles)
    steps = networks["eval_step"].values.astype(float)
    columns = {
        "minimum_step": np.where(chosen == NONE, np.nan, steps[chosen]),
        "minimum_train_loss": loss,
        "minimum_test_error": _at(networks["test_error"].values, chosen),
    }
    settings = np.array([setting_of(run) for run in networks["run"].values])
    if "direction_sketch" in networks:
        unit = _at(networks["direction_sketch"].values, chosen)
        unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
        columns |= _named("cosine", _cosine, unit, settings)
    coordinates = {"run": networks["run"].values, "cycle": cycles["cycle"].values}
    made = xr.Dataset({n: (("run", "cycle"), values) for n, values in columns.items()}, coordinates)
    if "test_probability" not in networks:
        return made
    probability = _at(networks["test_probability"].values, chosen)
    classes = np.where(np.isnan(probability[..., 0]), np.nan, probability.argmax(axis=-1))
    for name, values in _named("disagreement", _disagreement, classes, settings).items():
        made[name] = (("run", "cycle"), values)
    labels = networks["test_label"].values
    return made.merge(ensembles.errors(probability, labels, settings, made), join="exact")


def _choose(networks: xr.Dataset, cycles: xr.Dataset) -> tuple[IntArray, FloatArray]:
    """Index of the evaluation that is the minimum of each rise, and its loss."""
    landing, onset = cycles["cycle_landing"].values, cycles["cycle_onset"].values
    chosen = np.full(landing.shape, NONE)
    lowest = np.full(landing.shape, np.nan)
    steps = networks["eval_step"].values
    for row, run in enumerate(networks["run"].values):
        losses_between = _losses(networks, str(run))
        for cycle in np.flatnonzero(np.isfinite(onset[row])):
            low, high = int(landing[row, cycle]), int(onset[row, cycle])
            inside = np.flatnonzero((steps >= low) & (steps < high))
            losses = losses_between(steps[inside], low, high)
            if np.isfinite(losses).any():
                best = int(np.nanargmin(losses))
                chosen[row, cycle], lowest[row, cycle] = inside[best], losses[best]
    return chosen, lowest


def _losses(networks: xr.Dataset, run: str) -> Callable[[IntArray, int, int], FloatArray]:
    """Training loss of a run at some evaluations, from the steps of a rise alone."""
    if "probe_loss" in networks:
        probed = networks["probe_loss"].sel(run=run)
        return lambda steps, low, high: np.asarray(probed.sel(eval_step=steps).values)
    first = int(networks["step"].values[0])
    every, spacing = record_every(networks), np.diff(networks["eval_step"].values[:2]).sum()
    log_loss = np.log(np.maximum(recorded(networks, run, "train_loss"), 1e-300))

    def averaged(steps: IntArray, low: int, high: int) -> FloatArray:
        starts = (np.maximum(steps - spacing // 2, low) - first) // every
        stops = (np.minimum(steps + spacing // 2 + 1, high) - first) // every
        means = [log_loss[a : max(b, a + 1)].mean() for a, b in zip(starts, stops, strict=True)]
        return np.asarray(np.exp(means))

    return averaged


def _at(values: FloatArray, chosen: IntArray) -> FloatArray:
    """What was evaluated at each minimum, (n_runs, n_cycles, ...); NaN where there is none."""
    picked = values[np.arange(len(values))[:, None], chosen].astype(float)
    picked[chosen == NONE] = np.nan
    return picked


def _named(
    what: str,
    similarity: Callable[[FloatArray, FloatArray], FloatArray],
    minima: FloatArray,
    settings: npt.NDArray[np.str_],
) -> dict[str, FloatArray]:
    """A similarity of successive minima, and of those of other seeds of a setting."""
    successive = np.full(minima.shape[:2], np.nan)
    successive[:, :-1] = similarity(minima[:, :-1], minima[:, 1:])
    independent = np.full(minima.shape[:2], np.nan)
    for row, setting in enumerate(settings):
        others = (settings == setting) & (np.arange(len(settings)) != row)
        between = similarity(minima[row], minima[others])
        known = np.isfinite(between)
        total = np.where(known, between, 0).sum(axis=0)
        independent[row] = total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return {f"successive_{what}": successive, f"independent_{what}": independent}


def _cosine(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray((one * other).sum(axis=-1))


def _disagreement(one: FloatArray, other: FloatArray) -> FloatArray:
    differ = np.where(np.isnan(one) | np.isnan(other), np.nan, one != other)
    return np.asarray(differ.mean(axis=-1))
