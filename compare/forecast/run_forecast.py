"""Train the pilots of a planned run and forecast it, with one file and its page."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import xarray as xr

from compare import report
from compare.calibration import parameter_table
from compare.calibration.calibrate import Sample, calibrate, observe
from compare.calibration.laws import priors
from compare.calibration.laws.network_size import NetworkSize
from compare.calibration.laws.regularised import Laws, Prior
from compare.calibration.observed_cycles import SAME_SETTING
from compare.forecast import pilots
from compare.forecast.forecast import Forecast
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun
from compare.predict import outlook
from compare.study import results_folder, store, train_networks
from compare.study.comparison import compare_with_theory
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe
from theory import validate
from theory.strict_dataclass import read
from theory.trajectory import Runs, read_runs, setting_id

BUDGET = 0.1
GROUP = "forecast"
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)


def forecast(
    model: str | Callable[..., Any] = "mlp-64-64",
    data: str = "digits",
    *,
    learning_rate: float,
    weight_decay: float,
    steps: int,
    momentum: float = 0.0,
    batch_size: int = 128,
    budget: float = BUDGET,
    out: str | Path | None = None,
    avoid: bool = False,
    overwrite: bool = False,
    **recipe: Any,
) -> dict[str, Any]:
    """Say when a planned run will destabilise, how often and whether it settles, from cheap runs.

    Pilots of the same network decay faster and so go through their periods in fewer steps. What
    they show, and what other networks have in common, is continued to the planned run; intervals
    grow with the distance.

        >>> from sawtooth import forecast
        >>> found = forecast("mlp-32-32", learning_rate=0.5, weight_decay=8e-3, steps=6000)
        >>> found["regime"], found["pilot_steps"] <= 600
        ('periodic', True)

    Args:
        model: architecture, ``MODULE:CALLABLE``, or a function of a module that takes the shape of
            an image and the number of classes and makes a torch module.
        data: data source.
        learning_rate: eta, constant.
        weight_decay: lam, above 0.
        steps: of the planned run.
        momentum: heavy-ball coefficient.
        batch_size: examples in a batch.
        budget: largest share of the planned steps that all pilots together may take.
        out: folder for ``study.nc`` and ``report.html``; None to keep nothing.
        avoid: also say which decay or rate would avoid the first jump; see
            ``compare.forecast.advice``.
        overwrite: replace what the folder holds.
        **recipe: any other key of a study's recipe, e.g. ``augment=True``, ``trained="all"``.

    Returns:
        The forecast by the names of the vocabulary, as ``sawtooth forecast --json`` prints it:
        medians with 90 % intervals (``_low``, ``_high``), None where nothing is said.

    Raises:
        ValueError: for values out of range, a budget too small for any pilot, a folder that
            exists.
        OSError: if it cannot be written.
        Stopped: on Ctrl-C while the pilots train.
    """
    name = model if isinstance(model, str) else importable_name(model)
    table = {**recipe, "model": name, "data": data, "batch_size": batch_size}
    planned = PlannedRun(learning_rate, weight_decay, steps, momentum, read(Recipe, table))
    plan = choose_pilots(planned, budget=budget)
    if out is not None:
        made = run(planned, plan, Path(out), overwrite=overwrite)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = run(planned, plan, Path(folder) / GROUP)
    return values(made, avoid=avoid)


def importable_name(function: Callable[..., Any]) -> str:
    """``MODULE:CALLABLE`` of a function that can be imported by it.

    Raises:
        ValueError: for a lambda, a method or a function inside another.
    """
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "")
    if not name or not module or not name.isidentifier():
        raise ValueError(
            f"model must be a name or a function at the top of a module, got {function!r}"
        )
    return f"{module}:{name}"


def choose_pilots(
    planned: PlannedRun, *, budget: float = BUDGET, least_speedup: float = 1.0
) -> list[Pilot]:
    """The pilots that tell most about a planned run; see ``compare.forecast.pilots``.

    Raises:
        ValueError: for a budget that is no share, or that allows no pilot.
    """
    validate.positive("budget", budget)
    validate.positive("least_speedup", least_speedup)
    if budget > 1:
        raise ValueError(f"budget must be a share of the planned steps, at most 1, got {budget:g}")
    return pilots.choose(planned, _before(planned), budget=budget, least_speedup=least_speedup)


def _before(planned: PlannedRun) -> Laws:
    """What other networks say of the planned run's."""
    return Laws(prior_of(planned), momentum=planned.momentum)


def prior_of(planned: PlannedRun) -> Prior:
    """What other networks say of a planned run's, which is built to see how large it is."""
    return priors.prior_of(
        planned.recipe,
        learning_rate=planned.learning_rate,
        momentum=planned.momentum,
        size=size_of(planned.recipe),
    )


def size_of(recipe: Recipe) -> NetworkSize:
    """How large a recipe's network is for its data."""
    from empirical.training.train import network_size

    return NetworkSize(**network_size(recipe))


def cost(planned: PlannedRun, plan: list[Pilot]) -> str:
    """What the pilots take, in a sentence."""
    total = sum(one.total for one in plan)
    shown = ", ".join(
        f"{one.n_seeds} x {one.n_steps} steps at eta*lam = "
        f"{planned.learning_rate * planned.weight_decay_for(one.decay):.3g}"
        for one in plan
    )
    return (
        f"pilots: {shown}; {total} steps together, {100 * total / planned.n_steps:.3g} % of the "
        f"planned {planned.n_steps}"
    )


def folder_name(planned: PlannedRun) -> str:
    """A readable name for the folder of a forecast."""
    setting = setting_id(
        planned.learning_rate, planned.weight_decay, momentum=planned.momentum, variant=""
    )
    model = planned.recipe.model.replace(":", "-")
    return f"forecast-{model}-{setting}-{planned.n_steps}"


def study_of(planned: PlannedRun, plan: list[Pilot], *, device: str = "auto") -> Study:
    """The pilots as a study."""
    settings = tuple(
        Setting(
            learning_rate=planned.learning_rate,
            weight_decay=planned.weight_decay_for(one.decay),
            recipe=planned.recipe,
            momentum=planned.momentum,
            role="calibration",
            steps=one.n_steps,
        )
        for one in plan
    )
    return Study(
        name="forecast",
        title=f"Forecast: {planned.recipe.model} on {planned.recipe.data}",
        settings=settings,
        seeds=plan[0].n_seeds,
        eval_every=max(one.n_steps for one in plan),
        device=device,
    )


def run(
    planned: PlannedRun,
    plan: list[Pilot],
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
) -> Forecast:
    """Train the pilots, forecast the planned run and write both.

    Raises:
        ValueError: if the folder exists and neither flag is given, or holds something else.
        OSError: if it cannot be written, or another process is writing it.
        Stopped: when asked to stop while training; the checkpoint is kept.
    """
    study = study_of(planned, plan, device=device)
    with results_folder.claimed(study, out, resume=resume, overwrite=overwrite):
        networks, provenance = train_networks.trained(
            study, out, resume=resume, overwrite=overwrite
        )
        runs = read_runs(networks)
        try:
            sample = observe(runs, list(runs))
        except ValueError as error:
            train_networks.remove_unfinished(study, out)
            raise ValueError("every pilot stopped being finite in its first step") from error
        made, groups = _forecast(planned, plan, study, networks, runs, sample)
        finished = out / results_folder.STUDY_FILE
        store.write(finished, groups, config=study.to_json(), provenance=provenance)
        report.write(out / results_folder.REPORT_FILE, store.read(finished))
        train_networks.remove_unfinished(study, out)
    return made


def _forecast(
    planned: PlannedRun,
    plan: list[Pilot],
    study: Study,
    networks: xr.Dataset,
    runs: Runs,
    sample: Sample,
) -> tuple[Forecast, dict[str, xr.Dataset]]:
    """The forecast from what was observed of the pilots, and the groups of its file."""
    calibration = calibrate(sample, _before(planned).prior)
    jumped = any(len(run.jumps.onsets) > 0 for run in runs.values())
    made = Forecast.of(planned, calibration, plan, diverged=_diverged(runs), jumped=jumped)
    theory, comparison, _ = compare_with_theory(networks, study)
    drawn = made.dataset()
    drawn.attrs["forecast"] = json.dumps(values(made, avoid=True), allow_nan=False)
    drawn.attrs["what_if"] = json.dumps(what_if(made), allow_nan=False)
    drawn.attrs["planned"] = json.dumps(asdict(planned))
    drawn.attrs["decay"] = planned.decay
    groups = {
        "theory": theory,
        "empirical": networks,
        "comparison": comparison,
        "calibration": parameter_table.build(calibration, sample.settings, planned.decay),
        GROUP: drawn,
    }
    return made, groups


def values(made: Forecast, *, avoid: bool = False) -> dict[str, Any]:
    """The forecast in numbers, with advice if asked for."""
    found = made.values()
    if avoid:
        found |= made.borders
    return found


def what_if(made: Forecast) -> list[dict[str, Any]]:
    """The forecast at other weight decays, all else as planned."""
    run, rows = made.run, []
    for factor in FACTORS:
        with contextlib.suppress(ValueError):  # a decay that nothing can be trained with
            other = replace(run, weight_decay=factor * run.weight_decay)
            network = outlook.networks(made.laws, other.decay, made.start, n_steps=other.n_steps)
            said = made.summary_of(network, other)
            rows.append({"weight_decay": other.weight_decay, **said})
    return rows


def _diverged(runs: Runs) -> float:
    """Probability that the planned run diverges: the share of the slowest pilots, one more lasting.

    Where none of them does it is 0; it is never 1.
    """
    slowest = min(one.decay for one in runs.values()) * (1 + SAME_SETTING)
    ended = [not one.finite for one in runs.values() if one.decay <= slowest]
    return sum(ended) / (len(ended) + 1)
