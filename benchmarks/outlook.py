"""How good the outlook on the next jump is: reliability, Brier score, median wait.

    python benchmarks/outlook.py train [--out FOLDER]      held-out runs and those of the studies
    python benchmarks/outlook.py measure [--out FOLDER]    outlook.json and reliability.svg

Networks on the digits are trained at four decays each. At random moments of every run after its
first period the outlook is asked for the probability of a jump within 0.1 to 2 median waits, from
what was recorded until then and nothing else, and held against what came; once more for horizons
that do not depend on it, 0.1 to 2 mean periods so far. The next jump is the first that the records
do not show so far: one whose onset is past but whose drop is not yet that of a jump comes at once.
Competitors know the same: a constant rate, that of the run so far, and a renewal process, the
log-normal periods of the run so far, given the time since the last onset.

``with study`` the laws of other seeds at two of the decays, ``STUDIED``, are known as well; then
the moments before the first complete period are asked for too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from compare.calibration.calibrate import calibrate, observe
from compare.calibration.laws.regularised import Laws
from compare.forecast.planned_run import PlannedRun
from compare.forecast.run_forecast import prior_of
from compare.predict.next_jump import ahead
from compare.report.figures.style import BASELINE, NETWORK, STYLE, THEORY, arrange, svg
from empirical.training import train as training
from empirical.training.recipe import Recipe
from theory import files
from theory.cycle_models.next_jump.normal_law import NormalLaw
from theory.trajectory import RecordedRun, RunSpec, read_runs

MODELS = ("mlp-64-64", "mlp-48-48", "mlp-32-32")
LR = 0.5
STEPS = {2.5e-3: 6000, 5e-3: 3000, 1e-2: 1600, 2e-2: 900}  # by eta lam
STUDIED = (5e-3, 2e-2)
SEEDS, FIRST_SEED = 10, 2000
STUDY_SEEDS, FIRST_STUDY_SEED = 4, 500
MOMENTS = 40  # of a run
HORIZONS = (0.1, 2.0)  # over the median wait
BINS = 10
NEAR = 0.25
SERIES = (
    "weight_norm",
    "effective_lr",
    "effective_grad_norm",
    "angular_update",
    "train_loss",
    "step_learning_rate",
)


@dataclass(frozen=True)
class Asked:
    """One moment of one run.

    Attributes:
        run: model and id of the run.
        intrinsic_lr: eta lam.
        horizon: steps that were looked ahead.
        wait: steps until the next jump came.
        said: probability within the horizon, by forecaster.
        median: median wait that was said.
        inside: whether the wait was in the 90 % interval.
    """

    run: str
    intrinsic_lr: float
    horizon: float
    wait: float
    said: dict[str, float]
    median: float
    inside: bool


def train(folder: Path, first_seed: int) -> None:
    """Train what the folder does not hold yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        for first, seeds, decays in (
            (first_seed, SEEDS, tuple(STEPS)),
            (FIRST_STUDY_SEED, STUDY_SEEDS, STUDIED),
        ):
            path = folder / f"{model}_{first}.nc"
            if path.exists():
                continue
            runs = tuple(
                RunSpec(LR, value / LR, first + i, STEPS[value])
                for value in decays
                for i in range(seeds)
            )
            job = training.Job(Recipe(model=model), runs)
            files.write_dataset(path, training.train([job], training.Settings(eval_every=10**6)))
            print(path, flush=True)


def runs_of(folder: Path, model: str, first_seed: int) -> dict[str, RecordedRun]:
    with xr.open_dataset(folder / f"{model}_{first_seed}.nc", engine="h5netcdf") as held:
        return read_runs(held.load())


def studied(folder: Path, model: str) -> Laws:
    """What the study of a network says, with a prior that never saw its architecture."""
    runs = runs_of(folder, model, FIRST_STUDY_SEED)
    planned = PlannedRun(LR, 1e-3 / LR, 1000, recipe=Recipe(model=model))
    return calibrate(observe(runs, list(runs)), prior_of(planned)).laws


def until(run: RecordedRun, step: int) -> RecordedRun:
    """What had been recorded by a step."""
    return replace(run, **{name: getattr(run, name)[: step + 1] for name in SERIES})


def ask(
    folder: Path,
    first_seed: int,
    laws_of: Callable[[str], Laws | None],
    *,
    early: bool = False,
    over_period: bool = False,
) -> tuple[list[Asked], dict[str, int]]:
    """All moments, and how many were refused, by reason.

    Args:
        folder: that holds the runs.
        first_seed: of the runs that are asked about.
        laws_of: what is known of each model before.
        early: whether moments before the first complete period are meant, or those after it.
        over_period: whether horizons are shares of the mean period so far, not of the median wait.
    """
    rng, asked, refused = np.random.default_rng(first_seed), list[Asked](), dict[str, int]()
    for model in MODELS:
        laws = laws_of(model)
        for run in runs_of(folder, model, first_seed).values():
            for step, n_seen in moments(run, rng, early=early):
                seen = until(run, step)
                factor = float(np.exp(rng.uniform(*np.log(HORIZONS))))
                usual = mean_period(seen) if over_period else None
                wait = max(int(run.jumps.onsets[n_seen]) - step, 0)
                try:
                    asked.append(one(model, seen, laws, wait, factor=factor, usual=usual))
                except ValueError as refusal:
                    reason = str(refusal).rpartition(": ")[2]
                    refused[reason] = refused.get(reason, 0) + 1
    return asked, refused


def moments(
    run: RecordedRun, rng: np.random.Generator, *, early: bool
) -> Iterator[tuple[int, int]]:
    """Random steps of a run before its last onset, and the jumps seen by then."""
    onsets = run.jumps.onsets
    first, last = (2, onsets[1]) if early else (onsets[1], onsets[-1])
    for step in rng.integers(first, last, MOMENTS).tolist():
        n_seen = len(until(run, step).jumps.onsets)
        if (n_seen < 2 if early else n_seen >= 2) and n_seen < len(onsets):
            yield step, n_seen


def mean_period(seen: RecordedRun) -> float:
    """Mean period so far."""
    return float(np.diff(seen.jumps.onsets).mean())


def one(
    model: str,
    seen: RecordedRun,
    laws: Laws | None,
    wait: float,
    *,
    factor: float,
    usual: float | None,
) -> Asked:
    """Ask every forecaster at the end of what was seen, for a multiple of a usual time."""
    outlook = ahead(seen, laws)
    horizon = factor * (max(outlook.median_wait, 1.0) if usual is None else usual)
    said = {"outlook": outlook.probability(horizon)}
    if len(seen.jumps.onsets) > 1:
        said |= {"constant rate": constant(seen, horizon), "renewal": renewal(seen, horizon)}
    return Asked(
        run=f"{model} {seen.id}",
        intrinsic_lr=round(seen.decay, 9),
        horizon=horizon,
        wait=wait,
        said=said,
        median=outlook.median_wait,
        inside=bool(outlook.low <= wait <= outlook.high),
    )


def constant(seen: RecordedRun, horizon: float) -> float:
    """Jumps at random, at the mean rate since the first one."""
    return float(-np.expm1(-horizon / mean_period(seen)))


def renewal(seen: RecordedRun, horizon: float) -> float:
    """Log-normal periods, given the time since the last onset; few of them with a weak prior."""
    onsets, unknown = seen.jumps.onsets, NormalLaw((0.0,), ((0.0,),), 0.3, 2.0)
    gaps = np.log(np.diff(onsets))
    period = unknown.after(np.ones((len(gaps), 1)), gaps).at(1.0)
    passed = max(seen.jumps.end - int(onsets[-1]), 1)
    left = period.above(np.log([passed + horizon, passed]))
    return float(1 - left[0] / left[1])


def scored(asked: list[Asked], *, by_run: bool) -> dict[str, Any]:
    """Reliability, Brier scores and waits; these by run where many periods of each were seen."""
    came = np.array([one.wait <= one.horizon for one in asked])
    said = {name: np.array([one.said[name] for one in asked]) for name in asked[0].said}
    decays = np.array([one.intrinsic_lr for one in asked])
    return {
        "n": len(asked),
        "brier": {name: brier(values, came) for name, values in said.items()},
        "brier_by_intrinsic_lr": {
            f"{value:g}": {
                name: brier(values[decays == value], came[decays == value])
                for name, values in said.items()
            }
            for value in np.unique(decays)
        },
        "reliability": reliability(said["outlook"], came),
        "inside_90": float(np.mean([one.inside for one in asked])),
        "came_within_median": float(np.mean([one.wait <= one.median for one in asked])),
        **(waits(asked) if by_run else {}),
    }


def brier(said: np.typing.NDArray[np.float64], came: np.typing.NDArray[np.bool_]) -> float:
    return float(np.mean((said - came) ** 2))


def reliability(
    said: np.typing.NDArray[np.float64], came: np.typing.NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Mean probability and frequency in each of ``BINS`` equal bins that something fell into."""
    which = np.minimum((BINS * said).astype(int), BINS - 1)
    return [
        {
            "said": float(said[which == i].mean()),
            "came": float(came[which == i].mean()),
            "n": int((which == i).sum()),
        }
        for i in range(BINS)
        if (which == i).any()
    ]


def waits(asked: list[Asked]) -> dict[str, float]:
    """Median waits said against those that came: all moments together, and run by run."""
    by_run: dict[str, list[Asked]] = {}
    for moment in asked:
        by_run.setdefault(moment.run, []).append(moment)
    ratios = np.array([ratio(own) for own in by_run.values()])
    return {
        "median_wait_ratio": ratio(asked),
        "median_wait_ratio_of_runs": float(np.median(ratios)),
        "runs_within_25": float(np.mean(abs(ratios - 1) <= NEAR)),
        "n_runs": len(ratios),
    }


def ratio(asked: list[Asked]) -> float:
    """Median of the waits that were said over the median of those that came."""
    said, came = (np.median([getattr(one, name) for one in asked]) for name in ("median", "wait"))
    return float(said / max(came, 1.0))


def unknown(model: str) -> None:
    """Nothing is known of a network but its run."""


def draw(found: dict[str, Any]) -> str:
    """Reliability diagrams with binomial standard errors, without and with a study."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
        for axis, name in zip(axes, ("alone", "with study"), strict=True):
            rows = found[name]["reliability"]
            said, came, n = (np.array([row[key] for row in rows]) for key in ("said", "came", "n"))
            error = np.sqrt(np.maximum(came * (1 - came), 0.01) / n)
            axis.plot([0, 1], [0, 1], color=BASELINE, ls="--", lw=1)
            axis.errorbar(said, came, error, fmt="o", color=NETWORK, ms=5, capsize=2)
            scores = found[name]["brier"]
            axis.set_title(
                f"{name}: Brier {scores['outlook']:.3f}, constant rate "
                f"{scores['constant rate']:.3f}",
                fontsize=9,
            )
            axis.bar(said, n / n.sum(), width=0.06, color=THEORY, alpha=0.3)
            axis.set_xlabel("probability said")
            axis.set_xlim(0, 1)
            axis.set_ylim(0, 1)
        axes[0].set_ylabel("share of moments with a jump")
        arrange(figure)
        return svg(figure)


def measure(folder: Path, first_seed: int) -> dict[str, Any]:
    """Everything that is said of the outlook, by what it knew."""
    known = {model: studied(folder, model) for model in MODELS}
    found: dict[str, Any] = {"first_seed": first_seed}
    for name, laws_of, how in (
        ("alone", unknown, {}),
        ("alone, horizons over the mean period", unknown, {"over_period": True}),
        ("with study", known.get, {}),
        ("with study, before the first period", known.get, {"early": True}),
    ):
        asked, refused = ask(folder, first_seed, laws_of, **how)
        found[name] = {**scored(asked, by_run="early" not in how), "refused": refused}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("train", "measure"))
    parser.add_argument("--out", type=Path, default=Path("results/outlook"))
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    chosen = parser.parse_args()
    if chosen.command == "train":
        train(chosen.out, chosen.first_seed)
        return
    found = measure(chosen.out, chosen.first_seed)
    (chosen.out / "outlook.json").write_text(json.dumps(found, indent=1) + "\n")
    (chosen.out / "reliability.svg").write_text(draw(found), encoding="utf-8")
    for name in list(found)[1:]:
        rest = {k: v for k, v in found[name].items() if k != "reliability"}
        print(name, json.dumps(rest, indent=1))
        for row in found[name]["reliability"]:
            print(f"  said {row['said']:.2f}, came {row['came']:.2f}, {row['n']} times")


if __name__ == "__main__":
    main()
