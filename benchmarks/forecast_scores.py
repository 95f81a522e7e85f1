"""Scores of forecasts against the runs that they were about, and of their competitors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scoringrules
from scipy.stats import norm

from compare.calibration.calibrate import Calibration
from compare.forecast.planned_run import PlannedRun
from theory.arrays import FloatArray
from theory.cycle_models import hazard_model


def competitors(
    calibration: Calibration,
    planned: PlannedRun,
    lengths: FloatArray,
    period: float,
) -> dict[str, Any]:
    """The constant, the power law and the hazard process, with their own intervals."""
    made: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    laws = {"constant": calibration.baseline, "power law": calibration.power_law}
    for name, law in laws.items():
        if law is not None:
            mean, spread = law.period(planned.decay)
            width = np.sqrt(np.log1p(law.variation**2 + (spread / mean) ** 2))
            drawn = mean * np.exp(width * rng.standard_normal(2000) - width**2 / 2)
            made[name] = {**scored(mean, spread, period), **of_singles(drawn, lengths)}
    if calibration.process is not None:
        setting = (planned.learning_rate, planned.decay / planned.learning_rate)
        found = hazard_model.predict(calibration.process, calibration.model, *setting)
        # its interval as that of a log-normal distribution
        width = np.log(found.period_high / found.period_low) / (2 * norm.ppf(0.95))
        middle = np.sqrt(found.period_high * found.period_low)
        drawn = middle * np.exp(width * rng.standard_normal(2000))
        made["hazard process"] = {
            "error": found.period / period - 1,
            **of_singles(drawn, lengths),
        }
    return made


def scored(middle: float, spread: float, period: float) -> dict[str, Any]:
    """Error of a mean period and the standard deviation that was said, both over the truth."""
    return {"error": middle / period - 1, "spread": spread / period}


def inside(name: str, row: dict[str, Any]) -> bool:
    """Whether the truth, with its own error, is in the 90 % interval of a mean period.

    What is said is log-normal, as periods are positive: an interval of the same width on both sides
    of a doubtful one would start below 0. The kick model says its median, the others their mean.
    """
    known, score = row["measured"], row["scores"][name]
    away, relative = np.log1p(score["error"]), score["spread"] / (1 + score["error"])
    if name == "kick model":
        variance = np.log((1 + np.sqrt(1 + 4 * relative**2)) / 2)
    else:
        variance = np.log1p(relative**2)
        away -= variance / 2
    doubt = np.sqrt(variance + (known["period_error"] / known["period"]) ** 2)
    return bool(abs(away) <= norm.ppf(0.95) * doubt)


def of_singles(drawn: FloatArray, lengths: FloatArray) -> dict[str, Any]:
    """Share of single periods inside the 90 % interval, and the mean score over the mean period."""
    low, high = np.quantile(drawn, [0.05, 0.95])
    crps = scoringrules.crps_ensemble(lengths, np.broadcast_to(drawn[:500], (len(lengths), 500)))
    return {
        "single_inside": float(((lengths >= low) & (lengths <= high)).mean()),
        "crps": float(np.mean(crps) / lengths.mean()),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a row a target, and the summary."""
    names = ("kick model", "power law", "constant", "hazard process")
    lines = [
        "| network | ηλ | T measured | kick model (± its own) | power law | constant | hazard | "
        "single periods inside | first jump | elr before | elr after |",
        "|" + "---|" * 11,
    ]
    for row in rows:
        known, scores = row["measured"], row["scores"]
        errors = [
            f"{100 * scores[name]['error']:+.0f} %" if name in scores else "–" for name in names
        ]
        errors[0] += f" ({100 * scores['kick model']['spread']:.0f} %)"
        others = [
            f"{100 * (row[name] / known[name] - 1):+.0f} %"
            for name in ("first_jump", "effective_lr_before_jump", "effective_lr_after_jump")
        ]
        what = f"`{row['model']}`" + ("" if row["variant"] == "plain" else f", {row['variant']}")
        lines.append(
            f"| {what} | {row['intrinsic_lr']:g} | {known['period']:.0f} ± "
            f"{known['period_error']:.0f} | {' | '.join(errors)} | "
            f"{100 * scores['kick model']['single_inside']:.0f} % | {' | '.join(others)} |"
        )
    return "\n".join([*lines, "", *summary(rows)])


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """The scores over all targets, a line for each model."""
    lines = [
        "| over all targets | median error | 90 % of errors below | mean inside its 90 % interval "
        "| single periods inside | CRPS of single periods / T |",
        "|" + "---|" * 6,
    ]
    for name in ("kick model", "power law", "constant", "hazard process"):
        with_it = [row for row in rows if name in row["scores"]]
        own = [row["scores"][name] for row in with_it]
        if not own:
            continue
        errors = np.abs([one["error"] for one in own])
        held = [inside(name, row) for row in with_it if "spread" in own[0]]
        lines.append(
            f"| {name} ({len(own)}) | {100 * np.median(errors):.1f} % | "
            f"{100 * np.quantile(errors, 0.9):.0f} % | "
            + (f"{100 * np.mean(held):.0f} %" if held else "–")
            + f" | {100 * np.mean([one['single_inside'] for one in own]):.0f} % | "
            f"{np.mean([one['crps'] for one in own]):.3f} |"
        )
    first = np.abs([row["first_jump"] / row["measured"]["first_jump"] - 1 for row in rows])
    median, largest = 100 * np.median(first), 100 * first.max()
    lines += ["", f"First jump: median error {median:.0f} %, largest {largest:.0f} %."]
    for name in ("before", "after"):
        key = f"effective_lr_{name}_jump"
        errors = np.abs([row[key] / row["measured"][key] - 1 for row in rows])
        lines.append(f"Effective lr {name} a jump: median error {100 * np.median(errors):.0f} %.")
    return lines


def by_variant(rows: list[dict[str, Any]]) -> str:
    """Markdown: a row for each way of training."""
    lines = [
        "| | forecasts | median error | median of its own | constant | inside | single periods "
        "inside | first jump |",
        "|" + "---|" * 8,
    ]
    for way in dict.fromkeys(_way(row) for row in rows):
        own = [row for row in rows if _way(row) == way]
        kick, constant = (
            [row["scores"][name] for row in own if name in row["scores"]]
            for name in ("kick model", "constant")
        )
        first = [abs(row["first_jump"] / row["measured"]["first_jump"] - 1) for row in own]
        error, spread, other = (
            100 * float(np.median(np.abs([one[key] for one in of])))
            for of, key in ((kick, "error"), (kick, "spread"), (constant, "error"))
        )
        lines.append(
            f"| {way} | {len(own)} | {error:.0f} % | {spread:.0f} % | {other:.0f} % | "
            f"{sum(inside('kick model', row) for row in own)} | "
            f"{100 * np.mean([one['single_inside'] for one in kick]):.0f} % | "
            f"{100 * np.median(first):.0f} % |"
        )
    return "\n".join(lines)


def _way(row: dict[str, Any]) -> str:
    """What sets a network apart from dense ones on the digits."""
    if row["model"].startswith("mlp"):
        return _way_of_dense(str(row["variant"]))
    family = "ResNet" if row["model"].startswith("resnet") else "ConvNets"
    data = "digits" if row["variant"] == "plain" else row["variant"].partition(",")[0]
    return f"{family}, {data}"


def _way_of_dense(variant: str) -> str:
    """A row for all rates, and for all momenta that no known network has."""
    if "rate" in variant:
        return "rate"
    if variant.startswith("all, momentum"):
        return "all weights, momentum"
    return "momentum 0.5 to 0.98" if variant.startswith("momentum ") else variant
