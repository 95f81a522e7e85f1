r"""The weight norm over time for a given gradient: the exact recursion beside the norm ODE.

    recursion   rho'^2 = a^2 rho^2 + eta^2 g^2 / rho^2,   a = 1 - eta lam        (law 2, exact)
    ODE         d(rho^4)/dt = -4 eta lam rho^4 + 2 eta^2 g^2                     (small steps)

The recursion is what SGD does, so it is the ``weight_norm`` of the result, which obeys the exact
laws as a recorded run does; the ODE is ``ode_weight_norm``. Both take g for constant during a step.
Straight lines between the values of successive steps would lower the mean square of a noisy g.

Source: Wan et al. 2020 (arXiv 2006.08419); the recursion: Lobacheva et al. 2021 (2106.15739).
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from theory import laws, trajectory, validate
from theory.arrays import FloatArray, IntArray
from theory.laws import equilibrium
from theory.norm_ode import closed_form
from theory.norm_ode.gradients import Gradient, no_plain_sgd
from theory.trajectory import RunSpec
from theory.vocabulary.attributes import describe

SETTING = ("learning_rate", "weight_decay")
MOST_SETTINGS = 10**5
MOST_STEPS = 10**8  # of all runs together: a quarter of an hour
STEP_BYTES = 110  # peak memory for each, all recorded and written
SETTLED = 0.01  # relative distance from the equilibrium norm within which a norm has settled
COMMENTS = {
    "weight_norm": "exact recursion of the norm law",
    "ode_weight_norm": "solution of the norm ODE",
    "equilibrium_norm": "of the recursion, from the mean square of g over the last half",
    "settling_steps": "of the recursion; NaN where g changes, or nothing settles",
}


def solve_norm(
    learning_rate: float | Sequence[float] | None = None,
    weight_decay: float | Sequence[float] | None = None,
    *,
    grad_norm: Any,
    rho0: float | None = None,
    n_steps: int | None = None,
    record_every: int = 1,
    run: str | None = None,
) -> xr.Dataset:
    """Solve for the weight norm over time, by the exact recursion and by the norm ODE.

    There is a run for every combination of learning rates and weight decays.

        >>> from sawtooth import solve_norm
        >>> found = solve_norm(0.1, [0.01, 0.02], grad_norm=2.0, rho0=5.0, n_steps=4000)
        >>> found["equilibrium_norm"].values.round(3)
        array([2.115, 1.779])
        >>> found["settling_steps"].values
        array([1652.,  914.])

    Source: Wan et al. 2020 (arXiv 2006.08419); law 2 of docs/theory.md.

    Args:
        learning_rate: eta, one or several; by default that of the recorded run.
        weight_decay: lam, 0 or more, one or several, each with ``eta lam < 1``; likewise.
        grad_norm: the effective gradient norm g (weight norm times gradient norm): a number; one
            value a step, (n_steps,); a recorded Dataset of the schema, or its
            ``effective_grad_norm`` of one run, with straight lines where steps are missing between
            records; or a law ``(step) -> g`` or ``(step, weight_norm) -> g`` compiled with
            ``numba.njit``.
        rho0: weight norm at step 0; by default that of the recorded run.
        n_steps: optimizer steps; by default as many as g is known for.
        record_every: steps between records.
        run: which run of a recorded Dataset, if it holds several.

    Returns:
        A Dataset of the schema on (``run``, ``step``). ``weight_norm``, ``effective_lr`` and
        ``angular_update`` (rad) are those of the recursion, ``ode_weight_norm`` is the solution of
        the ODE, ``effective_grad_norm`` is g, ``train_loss`` (nats) is unknown, NaN. Along
        ``run``: ``equilibrium_norm`` (NaN without decay) and ``settling_steps``, until the
        recursion stays within 1 % of it (NaN where g changes). Along ``step``, for a recorded
        Dataset: ``measured_weight_norm``.

    Raises:
        ValueError: if a value is missing or out of range, g is negative, not finite or shorter
            than ``n_steps``, or the norm leaves the range of floating point.
        TypeError: if a law is not compiled.
    """
    gradient = Gradient.of(grad_norm, run)
    n_steps = _length(gradient, n_steps)
    runs = [
        RunSpec(lr, wd, 0, n_steps) for lr, wd in _settings(gradient, learning_rate, weight_decay)
    ]
    start = validate.positive("rho0", _given(gradient, "rho0", rho0, "weight_norm"))
    every = validate.within("record_every", record_every, 1, MOST_STEPS)
    if n_steps * len(runs) > MOST_STEPS:
        raise ValueError(
            f"n_steps must be at most {MOST_STEPS:g} over all runs, "
            f"got {len(runs)} runs of {n_steps} steps"
        )
    validate.fits_in_memory("this solution", STEP_BYTES * n_steps * len(runs))
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            ode = _ode(gradient, start, runs, np.arange(0, n_steps, every, dtype=np.int64))
            norms, gs = _recursion(gradient, start, runs)
    except OverflowError as error:  # of Python's own numbers
        raise ValueError("the norm leaves the range of floating point") from error
    _check_range(runs, norms, ode)
    solved = _dataset(runs, norms, gs, ode, every, gradient.name)
    return _with_measured(solved, gradient)


def _given(gradient: Gradient, name: str, value: Any, recorded: str) -> Any:
    """A value as given, or that of the recorded run; a series stands for its first."""
    if value is not None:
        return value
    if gradient.run is None:
        raise ValueError(f"{name} is needed, unless grad_norm is a recorded Dataset")
    return np.ravel(getattr(gradient.run, recorded))[0]


def _settings(gradient: Gradient, rates: Any, decays: Any) -> list[tuple[float, float]]:
    """All combinations of eta and lam, each once."""
    run = gradient.run
    if run and (rates is None or decays is None) and (refusal := no_plain_sgd(run)):
        raise ValueError(
            f"the norm law of plain SGD does not hold for {run.id}: {refusal}; give learning_rate "
            "and weight_decay to see where its gradients would take the norm"
        )
    rates = _given(gradient, "learning_rate", rates, "learning_rate")
    decays = _given(gradient, "weight_decay", decays, "weight_decay")
    rates, decays = (dict.fromkeys(map(float, np.atleast_1d(one))) for one in (rates, decays))
    validate.within("number of settings", len(rates) * len(decays), 1, MOST_SETTINGS)
    return list(product(rates, decays))


def _length(gradient: Gradient, n_steps: int | None) -> int:
    """Number of steps to solve for."""
    known = gradient.length
    asked = known if n_steps is None else n_steps
    if asked is None:
        raise ValueError("n_steps is needed, unless grad_norm is recorded")
    asked = validate.within("n_steps", asked, 1, MOST_STEPS)
    if known is not None and asked > known:
        raise ValueError(f"n_steps must be at most the {known} steps of grad_norm, got {asked}")
    return asked


def _recursion(
    gradient: Gradient, start: float, runs: Sequence[RunSpec]
) -> tuple[FloatArray, FloatArray]:
    """Norm before each step and gradient of it, both (n_runs, n_steps)."""
    lrs, wds = (np.array([getattr(run, n) for run in runs]) for n in SETTING)
    norms, gs = np.empty((2, runs[0].n_steps, len(runs)))
    norm = np.full(len(runs), start)
    for step in range(runs[0].n_steps):
        norms[step], gs[step] = norm, gradient.at(step, norm)
        norm = laws.next_weight_norm(norm, gs[step], lrs, wds)
    return norms.T, gs.T


def _ode(gradient: Gradient, start: float, runs: Sequence[RunSpec], steps: IntArray) -> FloatArray:
    """Solution of the norm ODE before each recorded step, (n_runs, n_records)."""
    g = gradient.value
    settings = [(run.learning_rate, run.weight_decay) for run in runs]
    if isinstance(g, np.ndarray):
        held = g[: steps[-1] + 1]  # constant during a step
        return np.stack(
            [closed_form.norm_at_sampled_gradient(held, start, *one)[steps] for one in settings]
        )
    if not callable(g):
        return np.stack(
            [
                closed_form.norm_at_constant_gradient(steps.astype(float), start, g, *one)
                for one in settings
            ]
        )
    from theory.norm_ode.norm_ensemble import norm_ensemble  # loads Numba

    lrs, wds = (np.array(values) for values in zip(*settings, strict=True))
    times = steps.astype(float) if len(steps) > 1 else np.array([0.0, 1.0])
    found = norm_ensemble(times, start, g, learning_rate=lrs, weight_decay=wds)
    return found.weight_norm[:, : len(steps)]


def _check_range(runs: Sequence[RunSpec], *paths: FloatArray) -> None:
    """Refuse norms that overflow or vanish.

    Raises:
        ValueError: naming the first run with one.
    """
    for norms in paths:
        lost = ~(np.isfinite(norms) & (norms > 0)).all(axis=1)
        if lost.any():
            run = runs[int(np.argmax(lost))].id
            raise ValueError(f"the norm of {run} leaves the range of floating point")


def _dataset(
    runs: Sequence[RunSpec],
    norms: FloatArray,
    gs: FloatArray,
    ode: FloatArray,
    every: int,
    data: str,
) -> xr.Dataset:
    """The solution in the schema of trajectories."""
    lrs, wds = (np.array([getattr(run, name) for run in runs])[:, None] for name in SETTING)
    norm, g = norms[:, ::every], gs[:, ::every]
    series = {
        "weight_norm": norm,
        "ode_weight_norm": ode,
        "effective_grad_norm": g,
        "angular_update": laws.angular_update(norm, g, lrs, wds),
        "train_loss": np.full(norm.shape, np.nan),
    }
    solved = trajectory.build(
        runs,
        series,
        source="theory",
        model="norm law",
        data=data,
        steps_per_epoch=1,
        record_every=every,
    )
    rest = np.array([_rest(*one) for one in zip(runs, norms, gs, strict=True)])
    solved["equilibrium_norm"], solved["settling_steps"] = ("run", rest[:, 0]), ("run", rest[:, 1])
    describe(solved, "theory")
    for name, comment in COMMENTS.items():
        solved[name].attrs["comment"] = comment
    return solved


def _rest(run: RunSpec, norms: FloatArray, gs: FloatArray) -> tuple[float, float]:
    """Equilibrium norm of a run, and steps until it stays within 1 % of it."""
    mean_square = float(np.mean(gs[len(gs) // 2 :] ** 2))
    if run.weight_decay == 0 or mean_square == 0:
        return np.nan, np.nan
    settled = equilibrium.sgd(run.learning_rate, run.weight_decay, mean_square)
    if np.ptp(gs) > 0:
        return settled.norm, np.nan
    away = np.flatnonzero(np.abs(norms / settled.norm - 1) > SETTLED)
    steps = float(away[-1] + 1) if len(away) else 0.0
    if steps == len(norms):  # not there yet: the ODE knows the rest of the way
        steps += equilibrium.settling_steps(float(norms[-1]), settled, tolerance=SETTLED) - 1
    return settled.norm, steps


def _with_measured(solved: xr.Dataset, gradient: Gradient) -> xr.Dataset:
    """The solution with the norm that was measured along the recorded gradient, if one was."""
    if (run := gradient.run) is None:
        return solved
    steps = solved["step"].values
    records = steps // run.every
    measured = np.where(steps % run.every == 0, run.weight_norm[records], np.nan)
    solved["measured_weight_norm"] = ("step", measured)
    describe(solved[["measured_weight_norm"]], "network")
    solved["measured_weight_norm"].attrs |= {
        "run": run.id,
        "learning_rate": run.learning_rate,
        "weight_decay": run.weight_decay,
        "no_norm_law": no_plain_sgd(run),
        "record_every": run.every,
    }
    return solved
