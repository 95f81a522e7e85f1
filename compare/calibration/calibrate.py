"""Fit the models of a cycle to the calibration runs of a study, and to nothing else."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from compare.calibration import hazard_fit, kick_fit
from compare.calibration.kick_fit import log_line
from compare.calibration.observed_cycles import SettingCycles, collect
from theory.cycle_models.hazard_model import GompertzProcess
from theory.cycle_models.kick_model import KickModel
from theory.cycle_models.log_line import LogLine
from theory.strict_dataclass import read
from theory.trajectory import Runs

MIN_CYCLES_PER_SETTING = 10
SMALLEST_RANGE = 1.5
RESAMPLES = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Calibration:
    """The fitted models, their baselines and where they come from.

    Attributes:
        model: the kick model.
        process: the same kicks at jumps that come at random, at a hazard.
        baseline: mean period times ``eta lam``, the constant of the baseline.
        power_law: ``ln(period)`` as a line in ``ln(eta lam)``, with no theory in it.
        runs: ids of the runs that were used.
    """

    model: KickModel
    process: GompertzProcess
    baseline: float
    power_law: LogLine
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What is known of the runs to calibrate on.

    Attributes:
        settings: their cycles; those that jump.
        initial_norm: weight norm at initialisation.
        loss_law: ``loss_at_unit_gradient`` and ``loss_exponent``.
        runs: their ids.
    """

    settings: list[SettingCycles]
    initial_norm: float
    loss_law: tuple[float, float]
    runs: tuple[str, ...]


def observe(runs: Runs, chosen: Sequence[str], *, named: bool = True) -> Sample:
    """Look at the calibration runs, and at nothing else.

    Settings of which most runs are in equilibrium serve for kick and growing share alone: onset
    and landing are not those of a sawtooth.

    Args:
        runs: what networks recorded; only the chosen ones are looked at.
        chosen: ids of the calibration runs.
        named: whether the study names them, so that none may be left out for having too few
            cycles.

    Raises:
        ValueError: if fewer than two periodic values of ``eta lam`` are left, or a named one has
            fewer than ``MIN_CYCLES_PER_SETTING`` cycles.
    """
    seen = {run: runs[run] for run in chosen}
    norm = float(np.mean([run.weight_norm[0] for run in seen.values()]))
    return Sample(usable(collect(seen), named=named), norm, _loss_law(seen), tuple(seen))


def calibrate(sample: Sample) -> Calibration:
    """Fit all models."""
    periodic = [cycles for cycles in sample.settings if cycles.periodic]
    model = kick_fit.fit(sample.settings, sample.initial_norm, sample.loss_law)
    return Calibration(
        model=model,
        process=hazard_fit.fit(periodic),
        baseline=float(np.mean([c.all("lengths").mean() * c.intrinsic_lr for c in periodic])),
        power_law=log_line(periodic, lambda c: float(np.log(c.all("lengths").mean()))),
        runs=sample.runs,
    )


def usable(settings: list[SettingCycles], *, named: bool = True) -> list[SettingCycles]:
    """The settings with enough jumps.

    One in equilibrium that has fewer is left out; so is a periodic one that is not ``named``.

    Raises:
        ValueError: if the periodic ones are too few, too close or too short.
    """
    jumping = [cycles for cycles in settings if cycles.n_cycles]
    periodic = [cycles for cycles in jumping if cycles.periodic]
    for cycles in periodic:
        if named and cycles.n_cycles < MIN_CYCLES_PER_SETTING:
            raise ValueError(
                f"calibration at eta*lam = {cycles.intrinsic_lr:g} has {cycles.n_cycles} "
                f"complete cycles, {MIN_CYCLES_PER_SETTING} needed; train longer"
            )
    values = [c.intrinsic_lr for c in periodic if c.n_cycles >= MIN_CYCLES_PER_SETTING]
    if len(values) < 2 or values[-1] < SMALLEST_RANGE * values[0]:
        raise ValueError(
            "calibration needs periodic runs at two or more values of eta*lam at least a factor "
            f"{SMALLEST_RANGE} apart, got {', '.join(f'{value:g}' for value in values) or 'none'}"
        )
    return [c for c in jumping if c.n_cycles >= MIN_CYCLES_PER_SETTING]


def resample(sample: Sample, *, count: int = RESAMPLES) -> list[KickModel]:
    """Refit the kick model to runs drawn with replacement among the seeds of each setting.

    Args:
        sample: what ``observe`` returns.
        count: how many times. A draw that leaves too few periodic settings is left out.

    Returns:
        The models; none where a setting has one run, which says nothing about another.
    """
    if min(len(cycles.runs) for cycles in sample.settings) < 2:
        return []
    rng = np.random.default_rng(0)
    models = []
    for _ in range(count):
        drawn = [cycles.resampled(rng) for cycles in sample.settings]
        try:
            models.append(
                kick_fit.fit(usable(drawn, named=False), sample.initial_norm, sample.loss_law)
            )
        except ValueError:
            continue
    return models


def model_from_json(text: str) -> KickModel:
    """The kick model that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    return _part(KickModel, text, "model")


def process_from_json(text: str) -> GompertzProcess:
    """The hazard process that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    return _part(GompertzProcess, text, "process")


def _part(kind: type[T], text: str, name: str) -> T:
    """A model that ``to_json`` has written."""
    try:
        return read(kind, json.loads(text)[name])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no calibrated {name} of this version is there") from error


def to_json(calibration: Calibration) -> str:
    """The calibration as JSON, for the attribute of a comparison."""
    return json.dumps(asdict(calibration))


def _loss_law(runs: Runs) -> tuple[float, float]:
    """Fit ``L = c g^p`` over all calibration steps by reduced major axis in log-log space.

    Both quantities scatter, so the slope is the ratio of their standard deviations and not a
    regression of one on the other.
    """
    loss = np.concatenate([run.train_loss for run in runs.values()])
    g = np.concatenate([run.effective_grad_norm for run in runs.values()])
    valid = (loss > 0) & (g > 0) & np.isfinite(loss) & np.isfinite(g)
    log_loss, log_g = np.log(loss[valid]), np.log(g[valid])
    exponent = float(log_loss.std() / log_g.std())
    return float(np.exp(log_loss.mean() - exponent * log_g.mean())), exponent
