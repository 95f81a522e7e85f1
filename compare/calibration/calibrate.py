"""Fit the models of a cycle to the calibration runs of a study, and to nothing else."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from compare.calibration import hazard_fit, kick_fit, simple_laws
from compare.calibration.at_rest import Rest, rest_of
from compare.calibration.beginning import Beginning
from compare.calibration.laws import evidence
from compare.calibration.laws.evidence import QUANTITIES
from compare.calibration.laws.regularised import Laws, Prior
from compare.calibration.observed_cycles import SettingCycles, collect
from compare.calibration.simple_laws import SimpleLaw
from theory.cycle_models.hazard_model import GompertzProcess
from theory.cycle_models.kick_model import KickModel
from theory.strict_dataclass import read
from theory.trajectory import Runs

MIN_CYCLES_PER_SETTING = 5  # for what has no priors to lean on
T = TypeVar("T")


@dataclass(frozen=True)
class Calibration:
    """What calibration runs say of a network.

    Attributes:
        laws: the quantities of the kick model, with what is not known of them.
        start: ``ln(elr)`` at initialisation.
        model: the kick model in the middle of them.
        process: the same kicks at jumps that come at random, at a hazard; None where two settings
            of ``MIN_CYCLES_PER_SETTING`` cycles are missing.
        baseline: ``T eta lam = const``; None where no period is complete.
        power_law: T as a power of ``eta lam``; None likewise, or for one setting alone.
        runs: ids of the runs that were used.
        first_growth: of ``ln(rho^2)`` until the first jump, in the mean over runs; None where none
            jumped, or where they have several learning rates, what those do being in the laws then.
        rest: whether the network comes to rest at any slower decay too.
    """

    laws: Laws
    start: float
    model: KickModel
    process: GompertzProcess | None
    baseline: SimpleLaw | None
    power_law: SimpleLaw | None
    runs: tuple[str, ...]
    first_growth: float | None
    rest: Rest

    @property
    def beginning(self) -> Beginning:
        """How the calibration runs begin."""
        return Beginning(self.start, self.first_growth)


@dataclass(frozen=True)
class Sample:
    """What is known of the runs to calibrate on.

    Attributes:
        settings: their cycles.
        momentum: that they were trained with.
        initial_norm: weight norm at initialisation.
        start: ``ln(elr)`` there.
        one_rate: whether all have the same learning rate.
        loss_law: ``loss_at_unit_gradient`` and ``loss_exponent``.
        runs: their ids.
    """

    settings: list[SettingCycles]
    momentum: float
    initial_norm: float
    start: float
    one_rate: bool
    loss_law: tuple[float, float]
    runs: tuple[str, ...]


def observe(runs: Runs, chosen: Sequence[str]) -> Sample:
    """Look at the calibration runs, and at nothing else.

    Args:
        runs: what networks recorded; only the chosen ones are looked at.
        chosen: ids of the calibration runs.

    Raises:
        ValueError: if none of them recorded a step.
    """
    seen = {run: runs[run] for run in chosen if len(runs[run].weight_norm)}
    if not seen:
        raise ValueError("no calibration run recorded a step")
    return Sample(
        settings=collect(seen),
        momentum=next(iter(seen.values())).momentum,
        initial_norm=float(np.mean([run.weight_norm[0] for run in seen.values()])),
        start=float(np.mean([run.log_elr[0] for run in seen.values()])),
        one_rate=len({run.learning_rate for run in seen.values()}) == 1,
        loss_law=_loss_law(seen),
        runs=tuple(seen),
    )


def calibrate(sample: Sample, prior: Prior) -> Calibration:
    """Fit all models.

    Args:
        sample: what ``observe`` returns.
        prior: of the network, learnt from other ones.
    """
    before = Laws(prior, momentum=sample.momentum)
    laws = evidence.learn(before, sample.settings)
    cycling = [cycles for cycles in sample.settings if cycles.n_cycles]
    cycling = [cycles for cycles in cycling if cycles.periodic] or cycling
    told = [c for c in cycling if c.periodic and c.n_cycles >= MIN_CYCLES_PER_SETTING]
    return Calibration(
        laws=laws,
        start=sample.start,
        model=kick_fit.fit(
            laws, sample.settings, sample.initial_norm, sample.start, sample.loss_law
        ),
        process=hazard_fit.fit(told) if len(told) > 1 else None,
        baseline=simple_laws.constant(cycling) if cycling else None,
        power_law=simple_laws.power_law(cycling) if cycling else None,
        runs=sample.runs,
        first_growth=_first_growth(sample.settings) if sample.one_rate else None,
        rest=rest_of(before, sample.settings),
    )


def _first_growth(settings: list[SettingCycles]) -> float | None:
    """Growth of ``ln(rho^2)`` until the first jump, in the mean over all runs that jump."""
    grown = [run.first_kick for cycles in settings for run in cycles.runs]
    return float(np.mean(grown)) if grown else None


def laws_from_json(text: str) -> tuple[Laws, Beginning]:
    """The laws, and how a run begins, that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold them.
    """
    laws = _part(Laws, text, "laws")
    if laws.prior.names != QUANTITIES:
        raise ValueError("no calibrated laws of this version are there")
    try:
        held = json.loads(text)
        growth = held.get("first_growth")  # not in files that are older
        return laws, Beginning(float(held["start"]), None if growth is None else float(growth))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("no calibrated start of this version is there") from error


def model_from_json(text: str) -> KickModel:
    """The kick model that a comparison's attribute ``calibration`` holds.

    Raises:
        ValueError: if the text does not hold one.
    """
    return _part(KickModel, text, "model")


def _part(kind: type[T], text: str, name: str) -> T:
    """A model that ``to_json`` has written."""
    try:
        return read(kind, json.loads(text)[name])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no calibrated {name} of this version is there ({error})") from error


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
    if valid.sum() < 2:
        return 1.0, 1.0
    log_loss, log_g = np.log(loss[valid]), np.log(g[valid])
    exponent = float(log_loss.std() / max(float(log_g.std()), np.finfo(float).tiny))
    return float(np.exp(log_loss.mean() - exponent * log_g.mean())), exponent
