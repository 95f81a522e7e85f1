"""The battery: networks of many sizes, long runs to learn from and to be forecast, and the scores.

    python benchmarks/battery.py train [--out FOLDER]      long runs: two hours on two cores
    python benchmarks/battery.py learn [--out FOLDER]      these, in known_networks.json
    python benchmarks/battery.py laws [--out FOLDER]       what the best pilots would leave
    python benchmarks/battery.py forecast [--out FOLDER]   pilots, forecasts, scores: minutes
    python benchmarks/battery.py scores                    of the forecasts that are kept
    python benchmarks/battery.py momenta [--out FOLDER]    what momentum changes, of the unlike

Runs are kept in FOLDER (``results/battery``) and not trained again. Each target is forecast with
a prior from which its architecture was left out, from pilots that decay at least ten times as fast
and take at most a tenth of its steps (three tenths at 1e-3), a planned run being ten periods. ``eta
lam`` is what decay takes from the norm in the long run: with momentum m, ``eta lam / (1 - m)``.

With CIFAR-10 as an image folder, ``--images FOLDER`` adds ConvNets. ``--unlike`` takes networks
that are trained as none of the dense ones that are known.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from forecast_scores import by_variant, competitors, of_singles, scored, summary, table
from scipy.stats import norm

from compare.calibration.calibrate import Calibration, calibrate, observe
from compare.calibration.laws import evidence, priors
from compare.calibration.laws.evidence import longer, still_young
from compare.calibration.laws.population import DATA, KnownNetwork
from compare.calibration.laws.regularised import Laws, Prior
from compare.calibration.observed_cycles import SettingCycles, collect
from compare.forecast import pilots
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun
from compare.forecast.run_forecast import prior_of, size_of
from compare.predict import outlook
from compare.study import train_networks
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe
from theory.arrays import FloatArray
from theory.trajectory import read_runs

TARGETS = {1e-3: 0.3, 2e-4: 0.1, 5e-5: 0.1}  # and the budget of each
BUDGETS = {**TARGETS, 1.5e-3: 0.1, 3e-4: 0.1}
LEAST_SPEEDUP = {1.5e-3: 1e-2 / 1.5e-3}  # 10 for the others
KEPT = Path(__file__).parents[1] / "results/reference/battery"
CYCLES = 10
SLOW = 9e-4  # of eta lam
SAWTOOTH = 4e-3  # at and below which networks with any momentum have one
WHAT = ("train", "learn", "laws", "forecast", "scores", "momenta")
FEWEST_PERIODS = 5  # that tell what is true; those that end early in short runs are short ones
LONGEST_WAIT = 3.5  # median periods; a network that waits longer has come to rest in between
SEEDS_OF_PILOTS = 100  # pilots are other networks than those of the long runs


@dataclass(frozen=True)
class Long:
    """Long runs: decays with the steps of each, and seeds."""

    steps: dict[float, int]
    seeds: int


@dataclass(frozen=True)
class Entry:
    """A network of the battery, trained in one way."""

    model: str
    variant: str
    long: tuple[Long, ...]
    targets: tuple[float, ...] = ()
    changes: tuple[tuple[str, Any], ...] = ()  # of the recipe
    rate: float = 0.0  # learning rate; 0 for that of the model

    @property
    def momentum(self) -> float:
        _, momentum, value = self.variant.partition("momentum")
        return float(value or 0.9) if momentum else 0.0

    @property
    def learning_rate(self) -> float:
        return self.rate or round(priors.usual_rate(self.model, self.momentum), 6)

    @property
    def trained(self) -> str:
        return "all" if self.variant.startswith("all") else "scale-invariant"

    @property
    def data(self) -> str:
        """What it is trained on, in a word: where images lie on a disk says nothing."""
        return "CIFAR-10" if "data" in dict(self.changes) else DATA

    @property
    def recipe(self) -> Recipe:
        return Recipe(model=self.model, trained=self.trained, **dict(self.changes))

    def weight_decay(self, value: float) -> float:
        return value * (1 - self.momentum) / self.learning_rate

    def planned(self, value: float, n_steps: int) -> PlannedRun:
        setting = (self.learning_rate, self.weight_decay(value))
        return PlannedRun(*setting, n_steps, self.momentum, self.recipe)


FAST = Long({3e-2: 500, 2e-2: 700, 1.4e-2: 1000, 1e-2: 1400, 5e-3: 2600, 2.5e-3: 4500}, 16)
FEWER = Long({2e-2: 700, 1e-2: 1400, 5e-3: 2600, 2.5e-3: 4500}, 8)
OF_CONVNETS = (Long(FEWER.steps, 4), Long({1e-3: 8000}, 4), Long({3e-4: 20000}, 2))
FEWER_WITH_MOMENTUM = Long({1e-2: 1800, 5e-3: 3200, 2.5e-3: 6000}, 8)
CONVNETS_WITH_MOMENTUM = (Long(FEWER_WITH_MOMENTUM.steps, 4), Long({1e-3: 14000}, 4))
OTHERS = ("mlp-96-96", "mlp-64-64-64", "mlp-48-48", "mlp-28-28", "mlp-36-36")  # trained in all ways
NOT_WITH_MOMENTUM = ("mlp-24-24", "mlp-40-40-40")
PLAIN = (
    "mlp-128-64",
    "mlp-32-32-32-32",
    "mlp-40-40",
    "mlp-80-80",
    "mlp-30-30",
    "mlp-34-34",
    "mlp-32-64",
    "mlp-32-32-32",
    "mlp-56-56",
)
SMALL_CONVNETS = ("convnet-4", "convnet-6")  # trained in all ways, and on CIFAR-10
CONVNETS = ("convnet-4", "convnet-6", "convnet-8", "convnet-12")  # on digits
RESNET = "resnet18-4"
CONVNETS_ON_CIFAR = (  # width, images of each class, batch size
    ("convnet-4", 50, 50),
    ("convnet-12", 25, 50),
    ("convnet-6", 100, 100),
    ("convnet-6", 50, 50),
    ("convnet-4", 200, 128),
    ("convnet-12", 50, 50),
)
SMALL = ("mlp-30-30", "mlp-34-34", "mlp-36-36")  # near the border of those that come to rest
OTHER_WAYS = (  # momenta, rates and ways together that no known network has; 0: the usual rate
    ("mlp-64-64", "momentum 0.5", 0.0),
    ("mlp-48-48", "momentum 0.5", 0.0),
    ("mlp-96-96", "momentum 0.8", 0.0),
    ("mlp-64-64", "momentum 0.95", 0.0),
    ("mlp-48-48-48", "momentum 0.98", 0.0),
    ("mlp-64-64", "all, momentum", 0.0),
    ("mlp-40-40", "all, momentum", 0.0),
    ("mlp-48-48-48", "all, momentum 0.5", 0.0),
    ("mlp-48-48", "rate", 0.02),
    ("mlp-64-64", "rate", 2.0),
    ("mlp-96-96", "all, rate", 0.1),
    ("mlp-64-64", "rate, momentum", 0.5),
    ("mlp-40-40-40", "rate, momentum", 0.01),
    ("mlp-56-56", "rate", 0.004),
)
LENGTHS = {  # of what is forecast: steps at 2e-4 and at 5e-5
    "plain": {
        "mlp-64-64": (43200, 130000),
        "mlp-48-48-48": (28080, 104000),
        "mlp-32-32": (17280, 64000),
    },
    "momentum": {
        "mlp-64-64": (54000, 150000),
        "mlp-48-48-48": (43200, 130000),
        "mlp-32-32": (28350, 105000),
    },
    "all": {
        "mlp-64-64": (23220, 86000),
        "mlp-48-48-48": (23220, 86000),
        "mlp-32-32": (21060, 78000),
    },
}


def battery(images: str = "") -> list[Entry]:
    """All networks, those to be forecast first."""
    made = []
    if images:
        made.append(of_convnet("convnet-8", images))
    for variant, lengths in LENGTHS.items():
        for model, (slow, slowest) in lengths.items():
            long = (
                FAST,
                Long({1e-3: 6500}, 16),
                Long({2e-4: slow}, 16),
                Long({5e-5: slowest}, 8 if variant == "momentum" else 12),
            )
            made.append(Entry(model, variant, long, tuple(TARGETS)))
    long = (FEWER, Long({1e-3: 8000}, 8), Long({3e-4: 24000, 1e-4: 60000}, 4))
    for model in (*OTHERS, *NOT_WITH_MOMENTUM, *PLAIN):
        slower = (Long({5e-5: 64000}, 4),) if model in SMALL else ()
        made.append(Entry(model, "plain", (*long, *slower)))
    made += [Entry(m, "all", long) for m in (*OTHERS, *NOT_WITH_MOMENTUM)]
    slow = Long({3e-4: 40000, 1e-4: 90000}, 4)
    long = (FEWER_WITH_MOMENTUM, Long({1e-3: 14000}, 8), slow)
    made += [Entry(m, "momentum", long) for m in OTHERS]
    made += [Entry(m, "plain", OF_CONVNETS) for m in CONVNETS]
    made += [Entry(m, "all", OF_CONVNETS[:2]) for m in SMALL_CONVNETS]
    made += [Entry(m, "momentum", CONVNETS_WITH_MOMENTUM) for m in SMALL_CONVNETS]
    if images:
        made += [replace(of_convnet(m, images), targets=()) for m in SMALL_CONVNETS]
        made += [replace(one, targets=()) for one in convnets_on_cifar(images)]
    return made


def unlike(images: str = "") -> list[Entry]:
    """Networks trained as none of the battery are: how much such ones differ from those."""
    few = {"train_per_class": 40, "batch_size": 64}
    networks: list[tuple[str, str, dict[str, Any], float]] = [
        ("mlp-64-64", "label noise", {"label_noise": 0.2}, 0.0),
        ("mlp-48-48", "label noise", {"label_noise": 0.1}, 0.0),
        ("mlp-96-96", "label noise", {"label_noise": 0.05}, 0.0),
        ("mlp-64-64", "batches", {"batch_size": 32}, 0.0),
        ("mlp-96-96", "batches", {"batch_size": 48}, 0.0),
        ("mlp-48-48-48", "batches", {"batch_size": 320}, 0.0),
        ("mlp-64-64", "few examples", few, 0.0),
        ("mlp-40-40", "few examples", {"train_per_class": 70, "batch_size": 64}, 0.0),
        ("mlp-64-64", "rate", {}, 0.1),
        ("mlp-80-80", "rate", {}, 2.0),
        ("mlp-64-64", "augmented", {"augment": True}, 0.0),
        ("convnet-6", "few examples", {"train_per_class": 70, "batch_size": 64}, 0.0),
    ]
    if images:
        cifar = {"data": f"folder:{images}", "test_per_class": 10}
        networks += [
            ("mlp-64-64", "CIFAR-10", {**few, **cifar}, 0.0),
            ("mlp-48-48-48", "CIFAR-10", {**cifar, "train_per_class": 80}, 0.0),
            ("mlp-32-64", "CIFAR-10", {**few, **cifar}, 0.2),
        ]
    long = (Long(FEWER.steps, 6), Long({1e-3: 6500}, 6), Long({3e-4: 20000}, 4))
    made = [
        Entry(model, kind, long, (1e-3, 3e-4), tuple(changes.items()), rate)
        for model, kind, changes, rate in networks
    ]
    for model, way, rate in OTHER_WAYS:
        longer = (FEWER_WITH_MOMENTUM, Long({1e-3: 14000}, 6), Long({3e-4: 40000}, 4))
        targets = (3e-4,) if "0.98" in way else (1e-3, 3e-4)  # ten times 1e-3 oscillates
        made.append(Entry(model, way, longer if "mom" in way else long, targets, rate=rate))
    made += [Entry(m, "plain", OF_CONVNETS, (1e-3, 3e-4)) for m in (*CONVNETS, RESNET)]
    if images:
        made += [of_convnet(m, images) for m in ("convnet-8", *SMALL_CONVNETS, RESNET)]
        made += convnets_on_cifar(images)
    return made


def convnets_on_cifar(images: str) -> list[Entry]:
    """ConvNets of other widths on other numbers of images."""
    return [
        replace(of_convnet(model, images, per_class, size), variant=f"CIFAR-10, {per_class}")
        for model, per_class, size in CONVNETS_ON_CIFAR
    ]


def of_convnet(model: str, images: str, per_class: int = 25, batch_size: int = 50) -> Entry:
    """A ConvNet on 250 images of CIFAR-10, or another number of each class."""
    data = {"data": f"folder:{images}", "train_per_class": per_class, "test_per_class": 10}
    fast, slow = Long({2e-2: 700, 1e-2: 1400, 5e-3: 2600}, 4), Long({1.5e-3: 7000}, 4)
    changes = (*data.items(), ("batch_size", batch_size))
    return Entry(model, "CIFAR-10", (slow, fast), (1.5e-3,), changes)


def study_of(entry: Entry, long: Long) -> Study:
    """Long runs of a network as a study."""
    settings = tuple(
        Setting(
            entry.learning_rate,
            entry.weight_decay(value),
            recipe=entry.recipe,
            momentum=entry.momentum,
            steps=steps,
        )
        for value, steps in long.steps.items()
    )
    return Study("battery", "Battery", settings, seeds=long.seeds, eval_every=10**6)


def file_of(folder: Path, entry: Entry, long: Long) -> Path:
    values = "_".join(f"{value:g}" for value in long.steps)
    rate = f"_{entry.rate:g}" if entry.rate else ""
    return folder / f"{entry.model}_{entry.variant.replace(' ', '-')}{rate}_{values}.nc"


def train(folder: Path, entries: list[Entry]) -> None:
    """Train what the folder does not hold yet, the cheapest of all networks first."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(max(long.steps.values()), e, long) for e in entries for long in e.long]
    for _, entry, long in sorted(jobs, key=lambda job: job[0]):
        path = file_of(folder, entry, long)
        if not path.exists():
            print(path.name, flush=True)
            train_networks.train_alone(study_of(entry, long), path, resume=True)


def cycles_of(folder: Path, entry: Entry) -> list[SettingCycles]:
    """All cycles of a network's long runs, by rising decay."""
    found: list[SettingCycles] = []
    for long in entry.long:
        path = file_of(folder, entry, long)
        if path.exists():
            with xr.open_dataset(path, engine="h5netcdf") as held:
                found += collect(read_runs(held.load()))
    return sorted(found, key=lambda cycles: cycles.intrinsic_lr)


def learn(folder: Path, images: str) -> list[KnownNetwork]:
    """What the long runs say of every network."""
    known = []
    for entry in battery(images):
        nothing = Laws(priors.from_networks([]), momentum=entry.momentum)
        if settings := going_on(cycles_of(folder, entry)):
            found = evidence.learn(nothing, settings).evidence
            size = size_of(entry.recipe)
            way = entry.model, entry.trained, entry.momentum
            known.append(KnownNetwork(*way, size, found, entry.data))
    return known


def going_on(settings: list[SettingCycles]) -> list[SettingCycles]:
    """Settings in which a network goes on jumping: none that is slower than one where it rests."""
    at_rest = max((one.intrinsic_lr for one in settings if comes_to_rest(one)), default=0.0)
    return [one for one in settings if one.intrinsic_lr > at_rest]


def n_periods(cycles: SettingCycles) -> int:
    """Complete periods of all runs of a setting."""
    return len(cycles.all("lengths")) if cycles.runs else 0


def comes_to_rest(cycles: SettingCycles) -> bool:
    """Whether a network is too small for its data to go on jumping where decay is slow."""
    if cycles.intrinsic_lr > SLOW:
        return False
    at_rest = cycles.n_resting + sum(run.regime == "equilibrium" for run in cycles.runs)
    return at_rest > 0 or bool(cycles.runs and longest_wait(cycles) > LONGEST_WAIT)


def longest_wait(cycles: SettingCycles) -> float:
    """The longest time between jumps, or since the last, over the median period."""
    waits = np.append(cycles.all("lengths"), cycles.all("unfinished"))
    return float(waits.max() / np.median(cycles.all("lengths")))


def named(known: KnownNetwork) -> tuple[object, ...]:
    """What tells a known network from the others."""
    return known.model, known.trained, known.momentum, known.size


def rounded(known: KnownNetwork) -> dict[str, Any]:
    """A network for ``known_networks.json``, to the digits that are known."""
    table = asdict(known)
    for name in ("intrinsic_lr", "value", "error"):
        column = table["evidence"][name]
        table["evidence"][name] = [float(f"{value:.5g}") for value in column]
    return table


def pilots_of(planned: PlannedRun, plan: list[Pilot], prior: Prior, seed: int) -> Calibration:
    """Train pilots and calibrate on them alone, with a prior that never saw the architecture."""
    from empirical.training import train as training
    from theory.trajectory import RunSpec

    specs = tuple(
        RunSpec(
            planned.learning_rate,
            planned.weight_decay_for(one.decay),
            seed + i,
            one.n_steps,
            planned.momentum,
        )
        for one in plan
        for i in range(one.n_seeds)
    )
    recipe = planned.recipe
    networks = training.train([training.Job(recipe, specs)], training.Settings(eval_every=10**6))
    runs = read_runs(networks)
    return calibrate(observe(runs, list(runs)), prior)


def forecasts(folder: Path, seed: int, entries: list[Entry]) -> Iterator[dict[str, Any]]:
    """Every target that was trained, forecast and scored."""
    for entry in entries:
        for target in entry.targets:
            long = next(long for long in entry.long if target in long.steps)
            path = file_of(folder, entry, long)
            if not path.exists():
                continue
            with xr.open_dataset(path, engine="h5netcdf") as held:
                (truth,) = collect(read_runs(held.load()))
            enough = n_periods(truth) >= FEWEST_PERIODS
            if enough and len(periods_until(planned_steps(truth), truth)):
                yield forecast(entry, target, truth, seed)


def forecast(entry: Entry, target: float, truth: SettingCycles, seed: int) -> dict[str, Any]:
    """One target: pilots, forecast, and every competitor on the same pilots."""
    planned = entry.planned(target, planned_steps(truth))
    lengths, first = periods_until(planned.n_steps, truth), truth.all("first_step")
    period = float(lengths.mean())
    error = float(lengths.std() / len(lengths) ** 0.5)
    prior = prior_of(planned)
    plan = pilots.choose(
        planned,
        Laws(prior, momentum=planned.momentum),
        budget=BUDGETS[target],
        least_speedup=LEAST_SPEEDUP.get(target, 10.0),
    )
    calibration = pilots_of(planned, plan, prior, seed)
    network = outlook.networks(
        calibration.laws, planned.decay, calibration.start, n_steps=planned.n_steps
    )
    said = outlook.summary(network, planned.learning_rate, planned.n_steps)
    before, after = (
        float(np.exp(truth.all(name).mean())) for name in ("next_onsets", "all_landings")
    )
    singles = outlook.single_periods(network)
    return {
        "model": entry.model,
        "variant": entry.variant,
        "learning_rate": entry.learning_rate,
        "intrinsic_lr": target,
        "pilots": [asdict(one) for one in plan],
        "pilot_share": sum(one.n_seeds * one.n_steps for one in plan) / planned.n_steps,
        "regime": said["regime"],
        "measured": {
            "period": period,
            "period_error": error,
            "n_periods": len(lengths),
            "first_jump": float(first.mean()),
            "effective_lr_before_jump": before,
            "effective_lr_after_jump": after,
        },
        "first_jump": float(np.median(outlook.first_jumps(network))),
        "effective_lr_before_jump": float(np.exp(np.median(network.onset))),
        "effective_lr_after_jump": float(np.exp(np.median(network.landing))),
        "scores": {
            "kick model": {
                **scored(float(np.median(network.period)), float(network.period.std()), period),
                **of_singles(singles, lengths),
            },
            **competitors(calibration, planned, lengths, period),
        },
    }


def planned_steps(truth: SettingCycles) -> int:
    """Length of the planned run."""
    return int(CYCLES * truth.all("lengths").mean())


def periods_until(n_steps: int, cycles: SettingCycles) -> FloatArray:
    """Periods that are over when a run of so many steps ends: first ones may be longer."""
    held = [run.lengths[run.first_step + run.lengths.cumsum() <= n_steps] for run in cycles.runs]
    return np.concatenate(held)


def limits(folder: Path, entries: list[Entry]) -> Iterator[str]:
    """What is left of the error where pilots cost nothing, and what is known without any."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for entry in entries:
        settings, momentum = going_on(cycles_of(folder, entry)), entry.momentum
        recipe, rate = entry.recipe, entry.learning_rate
        unknown = priors.prior_of(recipe, learning_rate=rate, momentum=momentum, size=None)
        known = prior_of(entry.planned(SLOW, 1000))
        sized, unsized = (Laws(one, momentum=momentum) for one in (known, unknown))
        for slow in settings:
            fast = [c for c in settings if c.intrinsic_lr >= 0.99 * 10 * slow.intrinsic_lr]
            if slow.intrinsic_lr > 1.2e-3 or not fast or n_periods(slow) < FEWEST_PERIODS:
                continue
            cases = {
                "from all runs at least ten times as fast": evidence.learn(sized, fast),
                "from none, by the size of the network": sized,
                "from none, of a network of any size": unsized,
            }
            for name, laws in cases.items():
                found.setdefault(name, []).append(missed(laws, slow))
    for name, rows in found.items():
        away, inside = np.array(rows).T
        yield (
            f"{len(away)} slow settings {name}: median error "
            f"{100 * np.median(np.abs(np.expm1(away))):.1f} %, "
            f"root mean square {100 * np.mean(np.square(away)) ** 0.5:.0f} %, "
            f"{100 * np.mean(inside):.0f} % inside the 90 % interval"
        )


def momenta(folder: Path, entries: list[Entry]) -> Iterator[str]:
    """What momentum changes, over ln(1/(1 - m)): against what is known of a network without."""
    yield "| network | m | ηλ | ln K | ln elr before | after |"
    yield "|" + "---|" * 6
    for entry in entries:
        if not entry.variant.startswith("momentum"):
            continue
        plain = Laws(prior_of(replace(entry, variant="plain").planned(SLOW, 1000)))
        for cycles in cycles_of(folder, entry):
            at = cycles.intrinsic_lr
            if not cycles.runs or at > SAWTOOTH:
                continue
            kick = float(np.log(cycles.rate * cycles.all("lengths").mean()))
            before, after = (cycles.all(name).mean() for name in ("next_onsets", "all_landings"))
            measured = {"log_kick": kick, "onset": float(before), "landing": float(after)}
            changes = [
                (value - plain.of(name, at)[0]) / -np.log1p(-entry.momentum)
                for name, value in measured.items()
            ]
            shown = " | ".join(f"{one:+.2f}" for one in changes)
            yield f"| `{entry.model}` | {entry.momentum:g} | {at:.1g} | {shown} |"


def missed(laws: Laws, setting: SettingCycles) -> tuple[float, bool]:
    """By how much laws miss the logarithm of a mean period, and whether it is in their interval."""
    lengths, at = setting.all("lengths"), setting.intrinsic_lr
    said, spread = laws.of("log_kick", at)
    age = still_young(np.array(len(lengths) / len(setting.runs)))  # first periods are longer
    said += float(np.log(longer(laws.of("youth", at)[0], age)))
    away = said - np.log(setting.rate * lengths.mean())
    doubt = np.hypot(spread, lengths.std() / lengths.mean() / len(lengths) ** 0.5)
    return float(away), bool(abs(away) <= norm.ppf(0.95) * doubt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--out", type=Path, default=Path("results/battery"))
    parser.add_argument("--images", default="", help="CIFAR-10 as an image folder, for ConvNets")
    parser.add_argument("--seed", type=int, default=SEEDS_OF_PILOTS, help="first seed of pilots")
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--unlike", action="store_true", help="networks trained as none is known")
    options = parser.parse_args()
    of_unlike = options.unlike or options.what == "momenta"
    entries = (unlike if of_unlike else battery)(options.images)
    entries = [one for one in entries if options.only in f"{one.model} {one.variant}"]
    if options.what == "train":
        train(options.out, entries)
    elif options.what == "learn":
        target = Path(priors.__file__).with_name(priors.FILE)
        found = {named(one): one for one in priors.known_networks()}  # where there are no runs
        found |= {named(one): one for one in learn(options.out, options.images)}
        rows = [json.dumps(rounded(one)) for one in found.values()]
        target.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
        print(f"{target}: {len(rows)} networks")
    elif options.what == "laws":
        print(*limits(options.out, entries), sep="\n")
    elif options.what == "momenta":
        print(*momenta(options.out, entries), sep="\n")
    elif options.what == "scores":
        path = KEPT / ("unlike.json" if options.unlike else "forecasts.json")
        kept = json.loads(path.read_text(encoding="utf-8"))
        print(*summary(kept), "", by_variant(kept), sep="\n")
    else:
        rows_of_targets = []
        for row in forecasts(options.out, options.seed, entries):
            rows_of_targets.append(row)
            print(json.dumps(row)[:110], flush=True)
        name = f"unlike-{options.seed}" if options.unlike else f"forecasts-{options.seed}"
        path = options.out / f"{name}.json"
        path.write_text(json.dumps(rows_of_targets, indent=1), encoding="utf-8")
        print(table(rows_of_targets))


if __name__ == "__main__":
    main()
