"""The report of bare trajectories, such as a monitor saves: what happened, what theory says."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from compare import checks, figures, monitored_figures, page, settling
from compare.metrics import METRICS, passes
from compare.observables import measure
from compare.tables import LAWS, Table, number, percent
from theory import equilibrium
from theory.equilibrium import Equilibrium
from theory.trajectory import record_every, recorded

MAX_RUNS = 8  # what one page can show
# Update rules whose decay shrinks the norm by eta lam a step, which regimes are told by.
DECAYING = ("sgd", "growing", "adamw", "lion")
OBSERVED = (
    "n_jumps",
    "first_jump",
    "period",
    "effective_lr_before_jump",
    "effective_lr_after_jump",
    "decay_rate_ratio",
    "equilibrium_norm",
)


def draw(trajectories: xr.Dataset) -> dict[str, str]:
    """Draw the figures as SVG, by name."""
    drawn = {}
    for run in _shown(trajectories):
        settled, _ = _settle(trajectories, run)
        drawn[f"trajectory-{run}"] = monitored_figures.trajectory(trajectories, run, settled)
        if "layer_weight_norm" in trajectories:
            drawn[f"layers-{run}"] = monitored_figures.layers(trajectories, run)
    return drawn


def render(trajectories: xr.Dataset) -> str:
    """Render the report as HTML."""
    observed = observe(trajectories)
    drawn = {name: figures.inline(svg) for name, svg in draw(trajectories).items()}
    runs = [_section(trajectories, observed.sel(run=run)) for run in _shown(trajectories)]
    evidence = str(trajectories["invariance"].values) if "invariance" in trajectories else ""
    return page.render(
        "monitored.html",
        model=", ".join(np.unique(trajectories["model"].values)),
        data=", ".join(filter(None, np.unique(trajectories["data"].values))),
        runs=runs,
        figures=drawn,
        n_left_out=trajectories.sizes["run"] - len(runs),
        evidence=evidence,
        headline=evidence.partition("\n")[0],
        notes=str(trajectories.attrs.get("notes", "")),
        overhead=trajectories.attrs.get("overhead"),
        attributes={name: str(value) for name, value in trajectories.attrs.items()},
    )


def observe(trajectories: xr.Dataset) -> xr.Dataset:
    """Observables and law checks of every run, along ``run``, with reasons for what is refused."""
    observed = measure(trajectories).merge(checks.check_laws(trajectories))
    strange = ~np.isin(trajectories["update_rule"].values, DECAYING)
    observed["regime"] = ("run", np.where(strange, "", observed["regime"].values))
    return observed


def _shown(trajectories: xr.Dataset) -> list[str]:
    """Runs that the report shows."""
    return [str(run) for run in trajectories["run"].values[:MAX_RUNS]]


def _settle(trajectories: xr.Dataset, run: str) -> tuple[Equilibrium | None, str]:
    """The equilibrium of a run, or why there is none."""
    try:
        return settling.predict(trajectories, run), ""
    except (ValueError, ArithmeticError) as refusal:
        return None, str(refusal)


def _section(trajectories: xr.Dataset, observed: xr.Dataset) -> dict[str, Any]:
    """What the report says of one run."""
    run = str(observed["run"].values)
    one = trajectories.sel(run=run)
    settled, reason = _settle(trajectories, run)
    measured = settling.Measured.of(trajectories, run)
    n_steps = int(one["n_steps"])
    return {
        "id": run,
        "rule": str(one["update_rule"].values),
        "variant": str(one["variant"].values),
        "learning_rate": f"{float(one['learning_rate']):.4g}",
        "weight_decay": f"{float(one['weight_decay']):.4g}",
        "momentum": f"{float(one['momentum']):.4g}",
        "n_weights": f"{int(one['n_weights']):,}" if "n_weights" in one else "",
        "n_steps": f"{n_steps:,}",
        "apart": record_every(trajectories),
        "ended": str(one["reason"].values),
        "regime": str(observed["regime"].values),
        "norm": number(measured.norm),
        "angle": number(measured.angular_update),
        "residual": number(float(observed["norm_law_residual"])),
        "laws": _laws(observed),
        "reason_laws": str(observed["reason_norm_law_residual"].values),
        "observables": _observables(observed),
        "equilibrium": None if settled is None else _equilibrium(measured, settled),
        "reason_equilibrium": reason,
        "drift": percent(measured.drift),
        "relaxation": "" if settled is None else _relaxation(trajectories, run, settled),
    }


def _laws(observed: xr.Dataset) -> Table:
    """Level 0: exact laws and whether they hold."""
    rows = []
    for name in LAWS:
        value = float(observed[name])
        if np.isfinite(value):
            metric = METRICS[name]
            verdict = "holds" if passes(name, np.array([value])) else "fails"
            allowed = f"{metric.low:g} … {metric.high:g}"
            rows.append([metric.long_name, number(value), allowed, verdict])
    return Table("Exact laws, no free parameter", ["law", "measured", "allowed", "verdict"], rows)


def _observables(observed: xr.Dataset) -> Table:
    """Jumps and periods, with the reason where one is refused."""
    rows = []
    for name in OBSERVED:
        metric, reason = METRICS[name], f"reason_{name}"
        refused = str(observed[reason].values) if reason in observed else ""
        if name == "decay_rate_ratio" and not str(observed["regime"].values):
            continue
        unit = "" if metric.units == "1" else f" [{metric.units}]"
        rows.append([metric.long_name + unit, number(float(observed[name])), refused])
    return Table("Jumps, periods, rest", ["observable", "measured", "why not"], rows)


def _equilibrium(measured: settling.Measured, settled: Equilibrium) -> Table:
    """Level 1: means over the last half beside the optimizer's equilibrium."""
    rows = []
    for name, title in (
        ("norm", "weight norm ρ"),
        ("effective_lr", "effective learning rate η/ρ²"),
        ("angular_update", "rotation per step θ [rad]"),
    ):
        found, expected = getattr(measured, name), getattr(settled, name)
        rows.append([title, number(found), number(expected), percent(found / expected - 1)])
    head = ["quantity", "mean of the last half", "in equilibrium", "difference"]
    return Table("Equilibrium of this optimizer", head, rows)


def _relaxation(trajectories: xr.Dataset, run: str, settled: Equilibrium) -> str:
    """How long the way to the equilibrium is."""
    rho = recorded(trajectories, run, "weight_norm")
    steps = equilibrium.settling_steps(float(rho[-1]), settled)
    ahead = f"another {number(steps)} steps to come within 1 %" if steps else "no step: it is there"
    return (
        f"A small deviation relaxes in {number(settled.relaxation_steps)} steps. "
        f"From where the norm is now it takes {ahead}, if the gradients stay as they were"
    )
