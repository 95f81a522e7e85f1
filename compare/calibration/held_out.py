"""Which runs a model is fitted to, which it predicts, and the wall between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.calibration.observed_cycles import SAME_SETTING, same_settings
from theory.arrays import FloatArray
from theory.trajectory import RecordedRun, Runs

FASTER = 10.0  # from which on a prediction counts as a forecast
ALIKE = ("variant", "momentum", "model", "data", "update_rule")


@dataclass(frozen=True)
class Split:
    """A calibration and what it may predict.

    Attributes:
        calibration: ids of the runs to calibrate on.
        predicted: ids of the runs to predict.
    """

    calibration: tuple[str, ...]
    predicted: tuple[str, ...]


def splits(
    networks: xr.Dataset, runs: Runs, roles: Mapping[str, str], *, leave_one_out: bool
) -> list[Split]:
    """Plan the calibrations of a study.

    With roles there is one: its calibration runs predict all runs, themselves too. Leaving one
    out, each value of ``eta lam`` is predicted by all others: settings with the same value are
    one (symmetry, theory.md law 9), and so are the seeds of a setting.

    Raises:
        ValueError: if no run may be calibrated on, there is only one value of ``eta lam`` to
            leave out, calibration runs differ in more than rate, decay and seed, or a held-out run
            is one of them in all but name.
    """
    if leave_one_out:
        return _leave_one_out(networks, runs)
    chosen = [str(run) for run in networks["run"].values if roles[str(run)] == "calibration"]
    if not chosen:
        raise ValueError("no run has the role calibration")
    alike = _alike(networks, runs, chosen)
    held_out = [run for run in alike if roles[run] == "held_out"]
    refuse_leaks(networks, Split(tuple(chosen), tuple(held_out)))
    return [Split(tuple(chosen), tuple(alike))]


def extrapolations(networks: xr.Dataset, runs: Runs) -> list[Split]:
    """One split for each value of ``eta lam`` with runs that decay ``FASTER`` times as fast.

    These predict it: what a user asks for is the slow run from fast ones.

    Raises:
        ValueError: as ``splits``.
    """
    alike, values = _decaying(networks, runs)
    made = []
    for value, same in same_settings(values):
        fast = values >= FASTER * value * (1 - SAME_SETTING)
        if fast.any():
            made.append(Split(tuple(alike[fast]), tuple(alike[same])))
    return made


def refuse_leaks(networks: xr.Dataset, split: Split) -> None:
    """Refuse to predict a run that, by its ``eta lam``, was calibrated on.

    Raises:
        ValueError: naming the first such run.
    """
    intrinsic_lr = networks["intrinsic_lr"]
    known = intrinsic_lr.sel(run=list(split.calibration)).values
    for run in split.predicted:
        value = float(intrinsic_lr.sel(run=run))
        if np.isclose(known, value, rtol=SAME_SETTING, atol=0).any():
            raise ValueError(
                f"{run} is held out, but calibration runs have its eta*lam = {value:g}; "
                "it would predict itself"
            )


def _leave_one_out(networks: xr.Dataset, runs: Runs) -> list[Split]:
    """One split for each value of ``eta lam``, of runs that can be predicted at all."""
    alike, values = _decaying(networks, runs)
    found = same_settings(values)
    if len(found) < 2:
        raise ValueError(f"no run is left to calibrate on: all have eta*lam = {found[0][0]:g}")
    made: list[Split] = []
    for _, same in found:
        made.append(Split(tuple(alike[~same]), tuple(alike[same])))
        refuse_leaks(networks, made[-1])
    return made


def _decaying(networks: xr.Dataset, runs: Runs) -> tuple[np.typing.NDArray[np.object_], FloatArray]:
    """Ids of the runs that can be predicted at all, and their ``eta lam``; (n_runs,) each.

    Raises:
        ValueError: if there is none, or as ``_alike``.
    """
    decaying = [str(run) for run in networks["run"].values[networks["weight_decay"].values > 0]]
    if not decaying:
        raise ValueError("no run has a weight decay")
    alike = _alike(networks, runs, decaying)
    return np.array(alike, dtype=object), networks["intrinsic_lr"].sel(run=alike).values


def _alike(networks: xr.Dataset, runs: Runs, chosen: Sequence[str]) -> list[str]:
    """Runs with decay that differ from the chosen ones in rate, decay and seed alone.

    Raises:
        ValueError: if the chosen ones themselves differ in more.
    """
    alike = networks["weight_decay"].values > 0
    for name in ALIKE:
        values = np.unique(networks[name].sel(run=list(chosen)).values)
        if len(values) > 1:
            found = ", ".join(repr(str(value)) for value in values)
            raise ValueError(f"calibration runs must agree in {name}, got {found}")
        alike &= networks[name].values == values[0]
    _check_rule([runs[run] for run in chosen])
    return [str(run) for run in networks["run"].values[alike]]


def _check_rule(chosen: Sequence[RecordedRun]) -> None:
    """Refuse runs whose decay of the norm between jumps is not ``eta lam`` a step.

    Raises:
        ValueError: for a schedule, or records of some steps only.
    """
    if any(run.scheduled for run in chosen):
        raise ValueError("the kick model is for runs at a constant learning rate")
    if any(run.every > 1 for run in chosen):
        raise ValueError("the kick model needs every step on record")
