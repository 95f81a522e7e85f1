"""The first screen of a report: what a study shows, in a sentence, and the figure that shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from markupsafe import Markup

from compare.report.tables import cells
from compare.report.tables.cells import number, score
from theory.vocabulary import VARIABLES


@dataclass(frozen=True)
class Claim:
    """A sentence with the measured numbers, and the names of figures that show it, best first."""

    sentence: Markup
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What a claim may speak of.

    Attributes:
        scores: what ``compare.predict.scores.of_study`` returns.
        settings: what ``compare.measure.over_seeds.by_setting`` returns.
    """

    scores: Mapping[str, float]
    settings: xr.Dataset

    def say(self, name: str) -> str:
        """A score as text."""
        return fixed(score(name, self.scores.get(name, np.nan)))


def fixed(text: str) -> str:
    """Text that no line break parts."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def choose(evidence: Evidence) -> Claim:
    """The first of the claims that the study can make."""
    made = (claim(evidence) for claim in CLAIMS)
    return next(claim for claim in made if claim is not None)


def _prediction(evidence: Evidence) -> Claim | None:
    if "model_error" not in evidence.scores:
        return None
    n_fitted = int((evidence.settings["role"] == "calibration").sum())
    fitted = (
        f"Fitted to {n_fitted} settings" if n_fitted else "Fitted to all other settings each time"
    )
    sentence = Markup(
        "{}, theory predicts the mean period of {} settings it has not seen "
        'to <span class="theory">{}</span> (median). The rule {} is off by {}.'
    ).format(
        fitted,
        evidence.say("n_held_out"),
        evidence.say("model_error"),
        fixed("T ηλ = const"),
        evidence.say("baseline_error"),
    )
    return Claim(sentence, ("periods", "trajectories"))


def _extrapolation(evidence: Evidence) -> Claim | None:
    if "extrapolation_error" not in evidence.scores:
        return None
    sentence = Markup(
        "From settings at least ten times faster alone, theory forecasts the mean period of {} "
        'slow settings to <span class="theory">{}</span> (median); the rule {} is off by {}.'
    ).format(
        evidence.say("n_extrapolated"),
        evidence.say("extrapolation_error"),
        fixed("T ηλ = const"),
        evidence.say("extrapolation_baseline_error"),
    )
    return Claim(sentence, ("periods", "trajectories"))


def _first_jump(evidence: Evidence) -> Claim | None:
    settings = evidence.settings
    if "sphere_first_jump" not in settings:
        return None
    ratio = (settings["sphere_first_jump"] / settings["first_jump"]).values
    errors = 100 * np.abs(ratio[np.isfinite(ratio)] - 1)
    if not len(errors):
        return None
    sentence = Markup(
        "From two laws measured where nothing can jump, theory predicts the first jump of {} "
        'settings to <span class="theory">{}</span> (median), the worst to {}.'
    ).format(len(errors), *(fixed(f"{one:.1f} %") for one in (np.median(errors), errors.max())))
    return Claim(sentence, ("first_jumps",))


def _twins(evidence: Evidence) -> Claim | None:
    settings = evidence.settings
    if "first_direction_error" not in settings:
        return None
    first = settings["first_direction_error"].values
    known = np.isfinite(first)
    if 2 * known.sum() < len(known):  # a study of something else, with a twin among its settings
        return None
    parted = int(np.isfinite(settings["parted_step"].values[known]).sum())
    sentence = Markup(
        'Runs that theory calls twins start along the same path to <span class="theory">{}</span>. '
        "In {} of {} settings an instability has pulled them apart by the end."
    ).format(fixed(number(float(first[known].max()))), parted, int(known.sum()))
    return Claim(sentence, ("twins",))


def _edge(evidence: Evidence) -> Claim | None:
    settings = evidence.settings
    if "stability_before_jump" not in settings:
        return None
    known = settings.sel(setting=np.isfinite(settings["stability_before_jump"]))
    columns = ("stability_before_jump", "stability_before_jump_sem")
    found = [
        f"{fixed(number(*(float(one[name]) for name in columns)))} ({cells.setting_name(one)})"
        for one in cells.each_setting(known)
    ]
    sentence = Markup(
        "Just before the first jump, effective learning rate times sharpness is "
        '<span class="network">{}</span>. Theory says <span class="theory">2</span> where batches '
        "bring no noise."
    ).format(", ".join(found))
    return Claim(sentence, ("sharpness",)) if found else None


def _as_expected(evidence: Evidence) -> Claim | None:
    if "share_as_expected" not in evidence.scores:
        return None
    said = evidence.settings.sel(setting=evidence.settings["expected_regime"] != "")
    sentence = Markup(
        '<span class="network">{:.0f} of {:.0f}</span> runs are in the regime that the study '
        'expects: <span class="theory">{}</span>.'
    ).format(
        float(said["n_as_expected"].sum()),
        float(said["n_seeds"].sum()),
        ", ".join(dict.fromkeys(map(str, said["expected_regime"].values))),
    )
    return Claim(sentence, ("sphere", "settings", "trajectories"))


def _exact_law(evidence: Evidence) -> Claim:
    sentence = Markup("{} of {} networks destabilise again and again").format(
        *map(evidence.say, ("n_periodic", "n_runs"))
    )
    figures = ("settings", "trajectories")
    residual = evidence.scores.get("largest_residual", np.nan)
    if not np.isfinite(residual):
        return Claim(sentence + ".", figures)
    holds = VARIABLES["norm_law_residual"].passes(np.array([residual]))
    law = Markup(
        ", and the exact law of the weight norm {}, in the worst step {} <span "
        'class="theory">{}</span>.'
    ).format(*(("holds", "to") if holds else ("fails", "by")), evidence.say("largest_residual"))
    return Claim(sentence + law, figures)


CLAIMS: tuple[Callable[[Evidence], Claim | None], ...] = (
    _extrapolation,
    _prediction,
    _first_jump,
    _twins,
    _edge,
    _as_expected,
    _exact_law,
)
