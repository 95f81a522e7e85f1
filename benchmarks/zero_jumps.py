"""Periods at every decay from runs on the sphere, where no norm can jump, beside measured ones.

Trains the runs of studies/zero-jumps.toml if they are not there, draws runs with decay from them
and prints Markdown: prediction over measurement, the hazard, and the batch sharpness on the way.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import sawtooth
from compare.predict import from_sphere
from empirical.batch_sharpness import batch_sharpness
from empirical.data import sources
from empirical.networks import by_name
from empirical.training.ensemble import Ensemble
from empirical.training.recipe import Recipe
from theory.cycle_models.burst_hazard import BURST
from theory.trajectory import RunSpec

STUDY = Path("studies/zero-jumps.toml")
COLUMNS = {
    "period": "period, steps",
    "period_std": "scatter of periods",
    "first_jump": "first jump",
    "effective_lr_before_jump": "elr before a jump",
    "effective_lr_after_jump": "elr after a jump",
}
FIXED = (0.01, 0.02, 0.04)
RISES = (1e-3, 4e-3, 1.6e-2)  # of ln(elr) a step
FASTEST_PERIODIC = 0.1  # eta*lam, above which the digits have no periods
EVERY, N_BATCHES, N_SEEDS = 25, 8, 6
BEFORE = 50  # steps before a burst that are looked at by themselves


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sphere", type=Path, default=Path("results/zero-jumps"))
    parser.add_argument("--measured", type=Path, default=Path("results/reference/digits/study.nc"))
    parser.add_argument("--model", default="mlp-64-64")
    parser.add_argument("--no-edge", action="store_true", help="leave the batch sharpness out")
    return parser.parse_args()


def sphere_runs(folder, model):
    """The runs at a fixed norm, trained once."""
    if (folder / "study.nc").is_file():
        return sawtooth.open_study(folder / "study.nc")["empirical"].to_dataset()
    study = sawtooth.run_study(STUDY, folder, model=model)
    return study["empirical"].to_dataset()


def measured_settings(study):
    """What runs with decay did: rate, decay, initial norm and the columns of each setting."""
    runs = study["comparison"].to_dataset()
    norm = study["empirical"]["weight_norm"].isel(step=0).mean().item()
    for decay in np.unique(runs["weight_decay"]):
        one = runs.isel(run=np.flatnonzero(runs["weight_decay"] == decay))
        rate = float(one["learning_rate"][0])
        if 0 < rate * decay < FASTEST_PERIODIC:
            yield rate, float(decay), norm, {name: mean_over_runs(one, name) for name in COLUMNS}


def mean_over_runs(runs, name):
    """Mean over runs; of effective learning rates, and of no others, the geometric one."""
    values = runs[name].values[np.isfinite(runs[name].values)]
    if name == "period":
        weights = runs["n_cycles"].values[np.isfinite(runs[name].values)]
        return float(np.average(values, weights=weights))
    return float(np.exp(np.log(values).mean()) if "lr" in name else values.mean())


def periods(process, study):
    """The table, a line a setting: predicted / measured (error), then a line of errors."""
    print(f"| ηλ | {' | '.join(COLUMNS.values())} | before, by hazard alone |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    errors = []
    for rate, decay, norm, known in measured_settings(study):
        said = from_sphere.predict(process, rate, decay, initial_norm=norm)
        cells = [against(getattr(said, name), known[name], name) for name in COLUMNS]
        alone = f"{said.hazard_onset:.3f}" if np.isfinite(said.hazard_onset) else "–"
        print(f"| {rate * decay:.3g} | {' | '.join(cells)} | {alone} |", flush=True)
        errors.append([abs(getattr(said, name) / known[name] - 1) for name in COLUMNS])
    percent = 100 * np.array(errors)
    pairs = zip(np.median(percent, axis=0), percent.max(axis=0), strict=True)
    cells = [f"{middle:.0f} % ({largest:.0f} %)" for middle, largest in pairs]
    print(f"| error, median (largest) | {' | '.join(cells)} | |")


def against(said, known, name):
    digits = 3 if "lr" in name else 0
    return f"{said:.{digits}f} / {known:.{digits}f} ({100 * (said / known - 1):+.0f} %)"


def edge(model):
    """Batch sharpness at fixed and at rising effective learning rates."""
    print("\n| elr | elr·BS, median, at τ = 10, 20, 40, 80 | BS·τ |\n|---|---|---|")
    for elr in FIXED:
        value, tau, _ = quiet(model, elr, "constant", int(90 / elr))
        near = [abs(np.log(tau / at)) < 0.15 for at in (10, 20, 40, 80)]
        medians = [f"{np.median(value[one]):.2f}" for one in near]
        late = tau > 10
        product = np.median((value * tau / elr)[late])
        print(f"| {elr:g} | {', '.join(medians)} | {product:.0f} |", flush=True)
    print(f"\n| r | elr·BS, median, 90 % | in the {BEFORE} steps before the first burst |")
    print("|---|---|---|")
    for rate in RISES:
        value, _, left = quiet(model, 3e-4, "rising", round(np.log(1000) / rate))
        last = value[left <= BEFORE]
        spread = f"{np.median(value):.2f}, {np.quantile(value, 0.9):.2f}"
        print(f"| {rate:g} | {spread} | {np.median(last):.2f} (n = {len(last)}) |", flush=True)


def quiet(model, rate, schedule, n_steps):
    """``elr BS``, tau and steps left, at the evaluations between elr 0.008 and the first burst."""
    images = sources.load("digits")
    recipe = Recipe(model=model, fixed_norm=True, initial_norm=1.0, schedule=schedule)
    runs = [RunSpec(rate, 0.0, seed, n_steps) for seed in range(N_SEEDS)]
    network = by_name.build(recipe, images)
    device = torch.device("cpu")
    ensemble = Ensemble(runs, recipe, network, images, eval_every=10**9, device=device)
    generator, found = torch.Generator().manual_seed(0), []
    while not ensemble.done:
        found.append(sharpness(ensemble, generator))
        ensemble.advance(EVERY)
    values = torch.cat([record.values for record in ensemble.records], dim=1).numpy()
    g = values[ensemble.recorded.index("effective_grad_norm")]
    elr = np.broadcast_to(rate, g.shape)
    if schedule != "constant":
        elr = values[ensemble.recorded.index("step_learning_rate")]
    steps = np.arange(0, n_steps, EVERY)
    in_burst = (np.log1p((elr * g) ** 2) > BURST) & (np.arange(n_steps) > 100)[:, None]
    first = np.where(in_burst.any(axis=0), in_burst.argmax(axis=0), n_steps)
    known = (elr[steps] > 0.008) & (steps[:, None] < first) & (steps > 100)[:, None]
    products = np.stack(found) * elr[steps][..., None]
    tau = np.cumsum(elr, axis=0)[steps]
    left = np.where(first < n_steps, first - steps[:, None], n_steps)
    repeated = [np.repeat(part[known], N_BATCHES) for part in (tau, left)]
    return products[known].flatten(), *repeated


def sharpness(ensemble, generator):
    """Batch sharpness of each run on ``N_BATCHES`` batches, (n_runs, N_BATCHES)."""
    batches, layers, found = ensemble.batches, ensemble.network.layers, []
    for _ in range(N_BATCHES):
        draws = [torch.randperm(batches.n_train, generator=generator) for _ in ensemble.runs]
        images, labels = batches.take(torch.stack(draws)[:, : ensemble.recipe.batch_size])

        def losses(flat, images=images, labels=labels):
            return ensemble.network.losses(layers.split(flat), ensemble.frozen, images, labels)

        found.append(batch_sharpness(losses, ensemble.weights).numpy())
    return np.stack(found, axis=1)


def main():
    chosen = options()
    process = from_sphere.learn(sphere_runs(chosen.sphere, chosen.model))
    for name, hazard in (("first", process.first), ("later", process.later)):
        a, b = (
            f"{value:.2f} ± {error:.2f}"
            for value, error in zip((hazard.exponent, hazard.fading), hazard.errors, strict=True)
        )
        scale = np.exp(hazard.log_scale)
        print(f"{name} bursts, {hazard.n_bursts}: A = {scale:.3g}, a = {a}, b = {b}")
    print()
    periods(process, sawtooth.open_study(chosen.measured))
    if not chosen.no_edge:
        edge(chosen.model)


if __name__ == "__main__":
    main()
