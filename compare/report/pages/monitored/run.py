"""One run of the report of bare trajectories: what was measured, beside what theory says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from compare.predict import optimizer_equilibrium
from compare.report.html.captions import MONITORED
from compare.report.html.page import Card, Figure, Section
from compare.report.tables.cells import Table, number, percent
from compare.report.tables.laws import LAW_HEAD, LAWS, law_cells
from theory.cycle_models.next_jump import Outlook, look_ahead
from theory.laws import equilibrium
from theory.laws.equilibrium import Equilibrium
from theory.trajectory import RecordedRun, record_every
from theory.vocabulary import VARIABLES, label

OBSERVED = (
    "n_jumps",
    "first_jump",
    "period",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
    "decay_rate_ratio",
    "equilibrium_norm",
)


@dataclass(frozen=True)
class Followed:
    """A run that was followed.

    Attributes:
        id: of the run.
        trajectories: the file that holds it.
        observed: its observables and law checks.
        recorded: what it recorded.
        measured: means over its last half.
        settled: the equilibrium of its optimizer; None where there is none.
        refusal: why there is none.
        ahead: when the next jump of a sawtooth comes; None where that cannot be told.
        ahead_refusal: why it cannot.
    """

    id: str
    trajectories: xr.Dataset
    observed: xr.Dataset
    recorded: RecordedRun
    measured: optimizer_equilibrium.Measured
    settled: Equilibrium | None
    refusal: str
    ahead: Outlook | None
    ahead_refusal: str

    @classmethod
    def of(cls, trajectories: xr.Dataset, observed: xr.Dataset) -> Self:
        """The run that observables were made of."""
        run = str(observed["run"].values)
        recorded = RecordedRun.of(trajectories, run)
        measured = optimizer_equilibrium.Measured.of(recorded)
        rest = settle(trajectories, run)
        ahead = next_jump(recorded, str(observed["regime"].values))
        return cls(run, trajectories, observed, recorded, measured, *rest, *ahead)


def settle(trajectories: xr.Dataset, run: str) -> tuple[Equilibrium | None, str]:
    """The equilibrium of a run, or why there is none."""
    try:
        return optimizer_equilibrium.predict_equilibrium(trajectories, run), ""
    except (ValueError, ArithmeticError) as refusal:
        return None, str(refusal)


def next_jump(run: RecordedRun, regime: str) -> tuple[Outlook | None, str]:
    """The next jump of a run, or why nothing is said of it."""
    try:
        if regime != "periodic":
            raise ValueError("the run is no sawtooth")
        return look_ahead(run), ""
    except ValueError as refusal:
        return None, str(refusal)


def section(run: Followed, address: str, drawn: Mapping[str, str], *, lead: bool) -> Section:
    """What the report says of one run.

    Args:
        run: the run.
        address: id of the section.
        drawn: figures that are to be shown, by name.
        lead: whether its numbers and its first figure stand on the first screen already.
    """
    named = {name: caption for name, caption in MONITORED.items() if f"{name}-{run.id}" in drawn}
    held = [_equilibrium(run), _observables(run.observed), _laws(run.observed)]
    return Section(
        address,
        _title(run),
        text=_facts(run),
        cards=() if lead else cards(run),
        figures=[
            Figure(f"{name}-{run.id}", drawn[f"{name}-{run.id}"], caption)
            for name, caption in named.items()
        ],
        tables=[table for table in held if table.rows],
        notes=_notes(run),
    )


def cards(run: Followed) -> list[Card]:
    """The numbers of a run that are to be seen first."""
    regime = str(run.observed["regime"].values)
    drift = percent(run.measured.drift)
    found = [
        Card(number(run.measured.norm), f"weight norm over the last half, drifting by {drift}"),
        Card(number(run.measured.angular_update), "rad turned per step over the last half"),
    ]
    if run.ahead is not None:
        within = f"probability of a jump within the next {run.ahead.n_steps:,} steps"
        found.insert(0, Card(f"{run.ahead.probability():.2f}", within))
    if np.isfinite(residual := float(run.observed["norm_law_residual"])):
        found.append(Card(number(residual), VARIABLES["largest_residual"].long_name))
    return [Card(regime, VARIABLES["regime"].long_name), *found] if regime else found


def _title(run: Followed) -> str:
    """Optimizer and setting of a run, and its seed where there are several runs."""
    one = run.trajectories.sel(run=run.id)
    rule = ", ".join(filter(None, (str(one[name].values) for name in ("update_rule", "variant"))))
    lr, wd, momentum = (float(one[name]) for name in ("learning_rate", "weight_decay", "momentum"))
    heavy = f", momentum {momentum:.4g}" if momentum else ""
    seed = float(one["seed"]) if run.trajectories.sizes["run"] > 1 else np.nan
    ending = f", seed {seed:.0f}" if np.isfinite(seed) else ""
    return f"{rule}: η = {lr:.4g}, λ = {wd:.4g}{heavy}{ending}"


def _facts(run: Followed) -> list[str]:
    """What was recorded of a run, and whether it ended early."""
    one = run.trajectories.sel(run=run.id)
    facts = f"{run.id}, {int(one['n_steps']):,} steps"
    if (apart := record_every(run.trajectories)) > 1:
        facts += f", recorded every {apart}"
    if "n_weights" in one:
        facts += f", {int(one['n_weights']):,} weights followed"
    ended = str(one["reason"].values)
    return [f"{facts}."] + ([f"Ended early: {ended}."] if ended else [])


def _notes(run: Followed) -> list[str]:
    """What is behind the tables, and why some are missing."""
    notes = [
        f"No equilibrium is predicted: {run.refusal}."
        if run.settled is None
        else _relaxation(run, run.settled)
    ]
    if refused := str(run.observed["reason_norm_law_residual"].values):
        checked = np.isfinite(run.observed["norm_law_residual"])
        what = "The exact laws do not hold" if checked else "Not held to the exact laws"
        notes.append(f"{what}: {refused}.")
    return notes


def _laws(observed: xr.Dataset) -> Table:
    """Level 0: exact laws and whether they hold."""
    known = {name: float(observed[name]) for name in LAWS if np.isfinite(observed[name])}
    rows = [
        [VARIABLES[name].label, number(value), *law_cells(name, np.array([value]))]
        for name, value in known.items()
    ]
    return Table("Exact laws, no free parameter", ["law", "measured", *LAW_HEAD], rows)


def _observables(observed: xr.Dataset) -> Table:
    """Jumps and periods, with the reason where one is refused."""
    rows = []
    for name in OBSERVED:
        reason = f"reason_{name}"
        refused = str(observed[reason].values) if reason in observed else ""
        if name == "decay_rate_ratio" and not str(observed["regime"].values):
            continue
        rows.append([VARIABLES[name].label, number(float(observed[name])), refused])
    return Table("Jumps, periods, rest", ["observable", "measured", "why not"], rows)


def _equilibrium(run: Followed) -> Table:
    """Level 1: means over the last half beside the optimizer's equilibrium."""
    rows = []
    for name in ("norm", "effective_lr", "angular_update") if run.settled else ():
        found, expected = getattr(run.measured, name), getattr(run.settled, name)
        quantity = label("weight_norm" if name == "norm" else name)
        rows.append([quantity, number(found), number(expected), percent(found / expected - 1)])
    head = ["quantity", "mean of the last half", "in equilibrium", "difference"]
    return Table("Equilibrium of this optimizer", head, rows)


def _relaxation(run: Followed, settled: Equilibrium) -> str:
    """How long the way to the equilibrium is."""
    last = float(run.recorded.weight_norm[-1])
    steps = equilibrium.settling_steps(last, settled)
    ahead = f"another {number(steps)} steps to come within 1 %" if steps else "no step: it is there"
    return (
        f"A small deviation relaxes in {number(settled.relaxation_steps)} steps. "
        f"From where the norm is now it takes {ahead}, if the gradients stay as they were."
    )
