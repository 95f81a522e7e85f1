"""Published results beside those of a study at another size: what should not depend on the size.

A narrow network on few images at fast decay has other periods in steps, but the laws say that decay
between jumps, ``T eta lam`` and the order of regimes carry over. These stand side by side here, for
networks trained the published way, whatever their kind, width, batch and number of images.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from compare.measure.over_seeds import with_period
from compare.published import values as published
from compare.report.tables.cells import Cell, Table, number, setting_name
from theory.arrays import FloatArray
from theory.trajectory import setting_of

OF_THE_SIZE = ("batch_size", "train_per_class")
# Of Lobacheva et al. 2021 (arXiv 2106.15739): the practical modifications.
MOMENTUM = "periods, more frequent at the same rate"
ALL_WEIGHTS = "periods, of another frequency"
NARROW = "no periods where too narrow: phase A never ends"


def matching(config: Mapping[str, Any], *, fixed_norm: bool) -> list[str]:
    """Ids of the settings that train the published way, at whatever size.

    Args:
        config: the study.
        fixed_norm: those on the sphere, or those with decay.
    """
    return [
        published.id_of(one) for one in config["settings"] if _is_plain(one, fixed_norm=fixed_norm)
    ]


def known_on_sphere(config: Mapping[str, Any]) -> dict[float, published.OnSphere]:
    """What was published at each fixed elr, for a study of the same kind; else nothing."""
    return dict(published.SPHERE) if matching(config, fixed_norm=True) else {}


def _is_plain(setting: Mapping[str, Any], *, fixed_norm: bool) -> bool:
    recipe = setting["recipe"]
    same = published.follows(recipe, apart_from=OF_THE_SIZE)
    moved = recipe["fixed_norm"] if fixed_norm else setting["weight_decay"] > 0
    return bool(same and moved and setting["momentum"] == 0)


def tables(
    networks: xr.Dataset, comparison: xr.Dataset, settings: xr.Dataset, config: Mapping[str, Any]
) -> list[Table]:
    """Make the tables that a study's settings allow."""
    plain = settings.sel(setting=settings["setting"].isin(matching(config, fixed_norm=False)))
    on_sphere = settings.sel(setting=settings["setting"].isin(matching(config, fixed_norm=True)))
    several = len(np.unique(plain["intrinsic_lr"])) > 1  # one alone is no figure over rates
    if on_sphere.sizes["setting"]:
        made = [_sphere_table(on_sphere)]
    else:
        made = [_periods_table(comparison, plain)] if several else []
    return [*made, *_changes_tables(networks, settings, config)]


def _periods_table(comparison: xr.Dataset, plain: xr.Dataset) -> Table:
    """Dimensionless results of training with decay, beside the published main figure's."""
    plain = plain.sortby("intrinsic_lr")
    periodic = with_period(plain)
    rows = [
        ["regimes, by rising ηλ", *_regimes(plain)],
        ["jumps in a run, by rising ηλ", *_jumps(plain)],
    ]
    if periodic.sizes["setting"]:
        rows += [
            _row("mean period times ηλ", periodic, "period", "intrinsic_lr", _published_periods()),
            [
                "decay rate of the norm in phase A, over ηλ",
                _span(periodic["decay_rate_ratio"].values),
                _span(published.PHASE_A),
                "1",
            ],
            ["ln of elr before over after a jump", *_drops(periodic)],
            ["test error, minimum of the first and last period", *_errors(comparison, periodic)],
        ]
    rest = plain.sel(setting=(plain["regime"] == "equilibrium").values)
    if np.isfinite(rest["equilibrium_norm"].values).any():
        ratio = rest["equilibrium_norm"] / rest["predicted_equilibrium_norm"]
        rows.append(["equilibrium norm over theory's, from g", _span(ratio.values), "–", "1"])
    head = ["quantity", "here", "published", "theory, here"]
    caption = "Beside the published main figure (ConvNet, width 32) — what is free of size"
    return Table(caption, head, rows)


def _regimes(plain: xr.Dataset) -> list[str]:
    theory = _in_turn(plain["predicted_regime"].values) if "predicted_regime" in plain else "–"
    known = (one.regime for one in published.PERIODS.values())
    return [_in_turn(plain["regime"].values), _in_turn(known), theory]


def _in_turn(names: Iterable[str]) -> str:
    """Names in a row, equal neighbours counted."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((str(name), 1))
    return ", ".join(name if n == 1 else f"{n} × {name}" for name, n in runs)


def _jumps(plain: xr.Dataset) -> list[str]:
    """Jumps in a run; about an equilibrium the norm fluctuates, which is none."""
    still = plain["regime"].values == "equilibrium"
    sources = [plain[name].values for name in ("n_jumps", "predicted_n_jumps") if name in plain]
    own, *theory = [
        ", ".join("–" if s else f"{n:.3g}" for n, s in zip(values, still, strict=True))
        for values in sources
    ]
    resting = [one.regime == "equilibrium" for one in published.PERIODS.values()]
    counts = [f"{one.n_jumps:g}" for one in published.PERIODS.values()]
    known = ", ".join("–" if s else n for s, n in zip(resting, counts, strict=True))
    return [own, f"{known} in {published.EPOCHS} epochs", *(theory or ["–"])]


def _published_periods() -> list[float]:
    """``T eta lam`` of the published mean gaps."""
    decay = published.WEIGHT_DECAY
    return [
        published.STEPS_PER_EPOCH * one.gap * rate * decay
        for rate, one in published.PERIODS.items()
        if np.isfinite(one.gap)
    ]


def _row(
    text: str, periodic: xr.Dataset, name: str, scale: str, known: Iterable[float]
) -> list[str]:
    own = (periodic[name] * periodic[scale]).values
    predicted = periodic.get(f"predicted_{name}")
    theory = "–" if predicted is None else _span((predicted * periodic[scale]).values)
    return [text, _span(own), _span(known), theory]


def _drops(periodic: xr.Dataset) -> list[str]:
    """``ln(elr before / elr after)`` of a jump: measured, published (middles) and theory's."""
    sides = [f"effective_lr_{side}_jump" for side in ("before", "after")]

    def drop(prefix: str) -> FloatArray:
        before, after = (periodic[prefix + side].values for side in sides)
        return np.asarray(np.log(before / after))

    known = [
        np.log(np.prod(one.before) / np.prod(one.after)) / 2
        for one in published.PERIODS.values()
        if np.isfinite(one.gap)
    ]
    theory = _span(drop("predicted_")) if f"predicted_{sides[0]}" in periodic else "–"
    return [_span(drop("")), _span(known), theory]


def _errors(comparison: xr.Dataset, periodic: xr.Dataset) -> list[str]:
    """Test error at the minima of the first and last period of the slowest setting."""
    known = published.PERIODS[0.01].test_errors
    published_text = f"{number(known[0])} → {number(known[-1])}"
    if "minimum_test_error" not in comparison:
        return ["–", published_text, "–"]
    slowest = str(periodic["setting"].values[0])
    own = [setting_of(run) == slowest for run in comparison["run"].values]
    errors = comparison["minimum_test_error"].isel(run=own).values
    ends = [row[np.isfinite(row)][[0, -1]] for row in errors if np.isfinite(row).any()]
    text = " → ".join(str(number(end)) for end in np.mean(ends, axis=0)) if ends else "–"
    return [f"{text} (slowest setting)", published_text, "–"]


def _sphere_table(on_sphere: xr.Dataset) -> Table:
    """Regimes at a fixed elr: where each lies, with its loss and gradient."""
    rows = []
    for regime in ("convergence", "equilibrium", "divergence"):
        own = on_sphere.sel(setting=(on_sphere["regime"] == regime).values)
        elr = own["fixed_effective_lr"]
        known = {elr: one for elr, one in published.SPHERE.items() if one.regime == regime}
        rows.append(
            [
                regime,
                _span(elr.values),
                _span(known),
                _span(own["late_train_loss"].values),
                _span(one.train_loss for one in known.values()),
                _span(own["late_effective_grad_norm"].values),
                _span(one.effective_grad_norm for one in known.values()),
            ]
        )
    head = ["regime", "elr here", "published", "L here", "published", "g here", "published"]
    caption = "On the sphere, beside Kodryan et al. 2022 (ConvNet, width 32)"
    return Table(caption, head, rows)


def _changes_tables(
    networks: xr.Dataset, settings: xr.Dataset, config: Mapping[str, Any]
) -> list[Table]:
    """One change at a time against the plain setting, the widest, beside what was published."""
    plain = max(
        (one for one in config["settings"] if _is_plain(one, fixed_norm=False)),
        key=lambda one: _width(one["recipe"]),
        default=None,
    )
    if plain is None:
        return []
    rows = []
    usual = _jumps_a_step(networks, settings.sel(setting=published.id_of(plain)))
    for one in config["settings"]:
        changes = _changes(one, plain)
        if len(changes) != 1:
            continue
        own = settings.sel(setting=published.id_of(one))
        ratio = one["learning_rate"] / plain["learning_rate"]
        more = _jumps_a_step(networks, own) / usual if usual else np.nan
        regime, said = str(own["regime"].values), changes[0]
        if said == NARROW and regime == "periodic":
            said = "–"  # wide enough
        rows.append([setting_name(own), regime, number(ratio), number(more), said])
    reference = setting_name(settings.sel(setting=published.id_of(plain)))
    head = ["change", "regime", "rate over its", "jumps a step over its", "published"]
    caption = f"One change at a time from “{reference}”, beside Lobacheva et al. 2021"
    return [Table(caption, head, rows)] if rows else []


def _changes(setting: Mapping[str, Any], plain: Mapping[str, Any]) -> list[str]:
    """What was published of each thing in which a setting differs from the plain one."""
    own, other = setting["recipe"], plain["recipe"]
    same_rate = setting["learning_rate"] == plain["learning_rate"]
    said = [MOMENTUM if same_rate else "–"] if setting["momentum"] != plain["momentum"] else []
    for key, value in own.items():
        if value != other[key]:
            said.append({"trained": ALL_WEIGHTS, "model": NARROW}.get(key, "–"))
    return said


def _width(recipe: Mapping[str, Any]) -> int:
    """Last number in the name of a model, its width; the published 32 where it has none."""
    numbers = re.findall(r"-(\d+)", recipe["model"])
    return int(numbers[-1]) if numbers else 32


def _jumps_a_step(networks: xr.Dataset, setting: xr.Dataset) -> float:
    """Mean over seeds; NaN about an equilibrium, where the norm fluctuates and does not jump."""
    if str(setting["regime"].values) == "equilibrium":
        return float("nan")
    own = [setting_of(run) == str(setting["setting"].values) for run in networks["run"].values]
    return float(setting["n_jumps"]) / float(networks["n_steps"].isel(run=own).mean())


def _span(values: Iterable[float]) -> Cell:
    """The smallest and the largest of some numbers; a dash for none."""
    known = sorted(float(value) for value in values if np.isfinite(value))
    if not known:
        return number(np.nan)
    low, high = number(known[0]), number(known[-1])
    return low if low == high else Cell(f"{low} … {high}", value=known[0])
