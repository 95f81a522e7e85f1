"""The verdict over all mechanisms: one is shown, none is, or the log does not decide."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from compare.diagnose import adaptive, chance, edge, epoch, norm_sawtooth
from compare.diagnose.finding import DIVERGED, NOT_SURE, TOO_LITTLE, Diagnosis, Finding
from compare.diagnose.log import columns, read_log
from compare.diagnose.log.ending import Divergence, find_divergence
from compare.diagnose.log.signals import ADAPTIVE, PLAIN, Signals, is_adaptive_by_name
from compare.diagnose.spikes import Spikes, find_spikes

FEWEST = 50  # records from which anything is said
ENOUGH = 200  # records from which on the absence of a mechanism means something
# What the second sets off has the name of the first.
SET_OFF_BY = ((adaptive.SLINGSHOT, adaptive.LAGGING), (norm_sawtooth.NAME, edge.NAME))
REMEDIES = {
    norm_sawtooth.NAME: "a smaller learning rate times weight decay makes it rarer; no decay of "
    "the normalised weights, or a fixed norm, ends it",
    epoch.NAME: "more data or augmentation, sampling with replacement or a larger beta2 ends it; "
    "it is harmless for the trained network",
    adaptive.SLINGSHOT: "a larger eps of Adam, a smaller learning rate or stopping when the loss "
    "is low enough ends it",
    adaptive.LAGGING: "a smaller beta2 (0.99 or 0.95), which lets the second moment follow, or a "
    "smaller learning rate ends it",
    edge.NAME: "a smaller learning rate ends it for a while, until the curvature has grown to the "
    "new edge; it is usually harmless",
}


def diagnose(
    log: str | Path | xr.Dataset | Mapping[str, Any],
    *,
    run: str | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    steps_per_epoch: float | None = None,
    optimizer: str | None = None,
    beta2: float | None = None,
    momentum: float | None = None,
) -> Diagnosis:
    """Name the mechanism that makes the loss of a run spike again and again, from its log.

    It is the norm's sawtooth, the epoch, Adam's slingshot, its lagging second moment, the edge of
    stability, or none of these. Where a log does not decide, the answer is ``not sure``, with what
    would decide. docs/diagnose.md has the mechanisms with their sources.

        >>> import numpy as np
        >>> from sawtooth import diagnose
        >>> step = np.arange(400)
        >>> noise = np.random.default_rng(0).normal(size=400)
        >>> found = diagnose({"step": step, "loss": np.exp(0.1 * noise), "lr": 0.1})
        >>> found.verdict, found.sure
        ('not sure', False)

    Args:
        log: a CSV or netCDF file, a Dataset of the schema, or columns by name.
        run: which run, of a file or Dataset with several.
        learning_rate: eta, where the log lacks it; likewise the others.
        weight_decay: lam.
        steps_per_epoch: optimizer steps in one pass over the data; 1 for full batches.
        optimizer: its name, such as ``sgd`` or ``adam``; one that says whether it divides by a
            second moment.
        beta2: decay of Adam's second moment.
        momentum: heavy-ball coefficient.

    Raises:
        ValueError: if the log cannot be read, a value is out of range, or the optimizer is none
            that is known.
    """
    if optimizer is not None and is_adaptive_by_name(optimizer.lower()) is None:
        known = ", ".join((*PLAIN, *ADAPTIVE))
        raise ValueError(
            f"optimizer must hold one of these names, or be left out: {known}; got {optimizer}"
        )
    signals = read_log.supplied(
        _signals(log, run),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        steps_per_epoch=steps_per_epoch,
        optimizer=None if optimizer is None else optimizer.lower(),
        beta2=beta2,
        momentum=momentum,
    )
    return diagnose_signals(signals)


def _signals(log: str | Path | xr.Dataset | Mapping[str, Any], run: str | None) -> Signals:
    if isinstance(log, xr.Dataset):
        return read_log.of_dataset(log, run)
    if isinstance(log, str | Path):
        return read_log.read(Path(log), run)
    return columns.of_columns(log)


def diagnose_signals(signals: Signals) -> Diagnosis:
    """Name the mechanism of the recurring spikes of a log, if the log shows one.

    Args:
        signals: the columns of the log.
    """
    few = signals.n_records < FEWEST and signals.lost_at is None
    end = None if few else find_divergence(signals)
    return _of_spikes(signals) if end is None else _of_diverged(end, _of_spikes(end.before))


def _of_diverged(end: Divergence, before: Diagnosis) -> Diagnosis:
    """The mechanism shown before a run diverged, or else that it did."""
    if before.sure and before.verdict != chance.NAME:
        return replace(before, evidence=(*before.evidence, f"{DIVERGED}: {end.said}"))
    looked = [one.evidence for one in before.findings if one.mechanism == norm_sawtooth.NAME]
    said = (
        f"{DIVERGED}: {end.said}",
        "a sawtooth comes back down from each of its spikes, so this rise is none; whether there "
        f"was one before it: {(*looked, *before.evidence)[0]}",
        *end.before.notes,
    )
    remedy = (
        "a smaller learning rate, a longer warm-up or a bound on the gradient, unless the data "
        f"about step {end.step:g} do it"
    )
    return Diagnosis(DIVERGED, True, said, remedy, "", before.findings)


def _of_spikes(signals: Signals) -> Diagnosis:
    """What makes a loss spike that comes back each time."""
    if signals.n_records < FEWEST:
        said = f"{signals.n_records} records, at least {FEWEST} are needed"
        return Diagnosis(TOO_LITTLE, False, (said, *signals.notes), "", "a longer log", ())
    spikes = find_spikes(signals.log_loss)
    restarts = chance.look_for_restarts(signals, spikes)
    if restarts.answer == "shown":
        remedy = "a schedule without restarts"
        evidence = _sentences(signals, restarts)
        return Diagnosis(chance.NAME, True, evidence, remedy, "", (restarts,), restarts.cause)
    findings = (
        norm_sawtooth.look(signals),
        epoch.look(signals, spikes),
        adaptive.look_for_slingshot(signals, spikes),
        adaptive.look_for_lag(signals, spikes),
        edge.look(signals),
    )
    return _weigh(signals, spikes, findings)


def _weigh(signals: Signals, spikes: Spikes, findings: tuple[Finding, ...]) -> Diagnosis:
    """The verdict from what each mechanism has to say."""
    shown = [one for one in findings if one.answer == "shown"]
    names = {one.mechanism for one in shown}
    lesser = {less for more, less in SET_OFF_BY if more in names}
    shown = [one for one in shown if one.mechanism not in lesser]
    lesser.add(epoch.NAME)  # every epoch leaves a trace beside whatever else goes on
    possible = [one for one in findings if one.answer == "possible"]
    rivals = [one for one in possible if one.mechanism not in lesser]
    if len(shown) == 1 and not rivals:
        name = shown[0].mechanism
        said = _sentences(signals, *shown)
        return Diagnosis(name, True, said, REMEDIES[name], "", findings)
    if shown:
        said = _sentences(signals, *shown, *rivals)
        decides = _lacks(rivals) or "a run without one of these"
        return Diagnosis(NOT_SURE, False, said, "", decides, findings)
    return _without_mechanism(signals, spikes, findings)


def _without_mechanism(
    signals: Signals, spikes: Spikes, findings: tuple[Finding, ...]
) -> Diagnosis:
    """No mechanism is shown: too little data, none of them, or not sure."""
    outliers = chance.look_for_outliers(signals, spikes)
    begins, few = norm_sawtooth.begins(signals), signals.n_records < ENOUGH
    if few or begins or outliers.answer == "unknown":
        said = "; ".join(filter(None, (f"{signals.n_records} records", outliers.evidence, begins)))
        longer = (
            f"{ENOUGH} records" if few else "",
            outliers.lacks if outliers.answer == "unknown" else "",
            f"{norm_sawtooth.MIN_JUMPS} jumps of the norm, or a norm that rests" if begins else "",
        )
        lacks = f"a longer log: {', and '.join(filter(None, longer))}"
        return Diagnosis(TOO_LITTLE, False, (said, *signals.notes), "", lacks, findings)
    left = [one for one in findings if one.answer in ("possible", "unknown")]
    if outliers.answer == "shown" and not left:
        evidence, remedy = _sentences(signals, outliers), _of_outliers(signals, spikes)
        return Diagnosis(chance.NAME, True, evidence, remedy, "", findings, outliers.cause)
    evidence, lacks = _sentences(signals, outliers, *(left or findings)), _lacks([outliers, *left])
    cause = "" if len(spikes) else outliers.cause
    return Diagnosis(NOT_SURE, False, evidence, "", lacks, findings, cause)


def _of_outliers(signals: Signals, spikes: Spikes) -> str:
    """What to do about spikes that no mechanism makes."""
    if not len(spikes):
        return "there is nothing to end"
    steps = ", ".join(f"{step:g}" for step in signals.step[spikes.peaks[:5]])
    return f"a look at the data of these steps: {steps}" + (", ..." if len(spikes) > 5 else "")


def _lacks(findings: Sequence[Finding]) -> str:
    """What would decide what these leave open."""
    parts = (part for one in findings for part in one.lacks.split("; ") if part)
    return "; ".join(dict.fromkeys(parts))


def _sentences(signals: Signals, *findings: Finding) -> tuple[str, ...]:
    return (*(f"{one.mechanism}: {one.evidence}" for one in findings), *signals.notes)
