"""The page of a forecast: what will happen to the planned run, how well that is known, and why."""

import json
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.ticker import EngFormatter

from compare.report.figures.over_time import forecast as figures
from compare.report.html.captions import FORECAST
from compare.report.html.page import Card, Figure, Fold, Page, Section, as_json
from compare.report.pages.headline import fixed
from compare.report.tables.cells import Cell, Table, count, number
from theory.vocabulary import VARIABLES

ROWS = (
    ("first_jump", "first jump"),
    ("period", "steps from one jump to the next, single"),
    ("mean_period", "the same in the mean"),
    ("n_jumps", "jumps in the run"),
    ("effective_lr_before_jump", "effective learning rate before a jump"),
    ("effective_lr_after_jump", "effective learning rate after it"),
)
WHOLE = ("first_jump", "period", "mean_period", "n_jumps")
WHAT = {
    "periodic": "destabilises again and again",
    "equilibrium": "settles: its weight norm comes to rest",
    "convergence": "ends before it destabilises",
    "divergence": "breaks off: the loss stops being finite",
}
SAME_DECAY = 1.05  # extrapolation below which pilots decay as the planned run does
FEWEST_JUMPS = 0.01  # expected in the run, that are worth a figure
FAR = 100.0  # extrapolation from which a word of caution is due


def draw(tree: xr.DataTree) -> dict[str, str]:
    """Draw the figures as SVG, by name."""
    held = tree["forecast"].to_dataset()
    said = json.loads(held.attrs["forecast"])
    drawn = {"fan": figures.fan(held)}
    if said["period"] is not None and float(held["jump_density"].sum()) > FEWEST_JUMPS:
        drawn["jumps"] = figures.jumps(held)
    table = tree["calibration"].to_dataset()
    if "kick_law" in table:
        drawn["pilots"] = figures.pilots(table, float(held.attrs["decay"]))
    return drawn


def page_of(tree: xr.DataTree) -> Page:
    """The page: a sentence, the fan, numbers with intervals, pilots, what would change it."""
    held = tree["forecast"].to_dataset()
    said = json.loads(held.attrs["forecast"])
    recipe = json.loads(held.attrs["planned"])["recipe"]
    drawn = {name: Figure(name, text, FORECAST[name]) for name, text in draw(tree).items()}
    return Page(
        title=f"What will happen to {count(said['steps'])} steps of {recipe['model']}",
        subtitle=_subtitle(said, recipe),
        claim=sentence(said),
        figure=drawn.pop("fan"),
        cards=_cards(said),
        sections=[
            Section("background", "What happens in such a run", text=_background(said)),
            Section(
                "numbers",
                "The forecast in numbers",
                figures=[one for name, one in drawn.items() if name == "jumps"],
                tables=[_numbers(said)],
            ),
            Section(
                "change",
                "What would change it",
                text=_advice(said),
                tables=[_what_if(json.loads(held.attrs["what_if"]))],
            ),
            Section(
                "pilots",
                "What it rests on",
                text=_pilots(said),
                figures=[one for name, one in drawn.items() if name == "pilots"],
                tables=[_pilot_table(tree)],
            ),
            _provenance(tree),
        ],
    )


def sentence(said: dict[str, Any]) -> Markup:
    """What will happen, for somebody who has never heard of it."""
    chance = _chance(said)
    if said["regime"] == "periodic":
        return Markup(
            'This run will destabilise near step <span class="theory">{}</span>, and then about '
            'every <span class="theory">{}</span> steps: {} times in all.'
        ).format(_whole(said["first_jump"]), _whole(said["period"]), _count_of_jumps(said))
    if said["regime"] == "equilibrium":
        where = Markup(' near <span class="theory">{}</span>')
        norm = said["equilibrium_norm"]
        return Markup(
            "This run will settle: its weight norm comes to rest{} (probability {}), {}."
        ).format("" if norm is None else where.format(number(norm)), chance, _at_rest(said))
    if said["regime"] == "divergence":
        return Markup("This run will probably break off: pilots of it did.")
    return Markup(
        "This run will end before it destabilises for the first time (probability {}), which "
        'would be near step <span class="theory">{}</span>.'
    ).format(chance, _whole(said["first_jump"]))


def _at_rest(said: dict[str, Any]) -> str:
    """How a norm rests: it never jumps, or jumps so often that they merge."""
    never = said.get("rest_probability")  # not in files that are older
    if never is None or 2 * never >= said["regime_probability"]:
        return "without destabilising"
    return "as jumps come so often that none stands out, and the loss stays high"


def _chance(said: dict[str, Any]) -> str:
    """The probability of the regime, never more sure than a hundred runs could show."""
    percent = round(100 * said["regime_probability"])
    return fixed(f"{percent} %" if percent < 100 else "> 99 %")


def _count_of_jumps(said: dict[str, Any]) -> str:
    low, high = (round(said[f"n_jumps_{end}"]) for end in ("low", "high"))
    return str(low) if low == high else fixed(f"{low} to {high}")


def _whole(value: float) -> str:
    """Steps, to three digits."""
    digits = max(0, int(np.floor(np.log10(max(value, 1)))) - 2)
    return str(count(int(round(value, -digits))))


def _in_steps(value: float) -> Cell:
    """A number of steps or jumps for a table, to three digits; a dash where there is none."""
    return Cell(_whole(value), value=value) if np.isfinite(value) else number(value)


def _short(value: float) -> str:
    """Steps to two digits: 280, 2.3k, 15k, 1.2M."""
    return EngFormatter(places=None, sep="")(float(f"{value:.2g}"))


def _subtitle(said: dict[str, Any], recipe: dict[str, Any]) -> str:
    momentum = f", momentum {said['momentum']:g}" if said["momentum"] else ""
    return (
        f"Learning rate {said['learning_rate']:g}, weight decay {said['weight_decay']:g}{momentum},"
        f" batches of {recipe['batch_size']}, on {recipe['data']}. Nobody has trained it yet: this "
        f"is a forecast from {_whole(said['pilot_steps'])} steps of cheaper runs."
    )


def _cards(said: dict[str, Any]) -> list[Card]:
    cards = [Card(_chance(said), WHAT[said["regime"]])]
    for name, text in (("first_jump", "first jump"), ("period", "from jump to jump")):
        if said[name] is not None:
            ends = "–".join(_short(said[f"{name}_{end}"]) for end in ("low", "high"))
            cards.append(Card(ends, f"{text}, steps (90 %)", "theory"))
    return cards


def _background(said: dict[str, Any]) -> list[str]:
    text = [
        "A network with batch normalisation does not feel the size of its weights, but the size of "
        "its steps does. Weight decay shrinks the weights, so the effective learning rate η/ρ² "
        "(ρ: their norm) grows until training destabilises: the loss spikes, the norm jumps, the "
        "effective learning rate drops, and the same begins again. This is no sign of a bug. "
        "After a jump the loss is high for a while, so that a run which ends there ends badly.",
    ]
    if said["extrapolation"] > FAR:
        text.append(
            f"The planned run decays {said['extrapolation']:.0f} times more slowly than any pilot. "
            "Nobody has looked there: the intervals are wide for that reason, and slower pilots "
            "(a larger budget) would make them narrower."
        )
    if said.get("caution"):  # not in files that are older
        text.append(said["caution"])
    return text


def _numbers(said: dict[str, Any]) -> Table:
    rows = [["what happens", Cell(WHAT[said["regime"]], role="words"), "–", "–"]]
    for name, text in ROWS:
        value = said.get("period" if name == "mean_period" else name)
        if said.get(f"{name}_low") is None:
            continue
        as_cell = _in_steps if name in WHOLE else number
        shown = as_cell(value) if value is not None else Cell("–")
        rows.append([text, shown, *(as_cell(said[f"{name}_{end}"]) for end in ("low", "high"))])
    return Table(
        "Medians and 90 % intervals", ["", "median", "5 % are below", "5 % are above"], rows
    )


def _advice(said: dict[str, Any]) -> list[str]:
    lines = []
    if said["avoid_weight_decay"] is not None:
        lines.append(
            f"To end before the first jump with probability 90 %, weight decay must be at most "
            f"{number(said['avoid_weight_decay'])} (planned: {said['weight_decay']:g})"
            + (
                f", or the learning rate at most {number(said['avoid_learning_rate'])} "
                f"(planned: {said['learning_rate']:g})."
                if said["avoid_learning_rate"] is not None
                else "."
            )
        )
    if said["equilibrium_weight_decay"] is not None:
        lines.append(
            "To settle instead of jumping, as surely, weight decay must be at least "
            f"{number(said['equilibrium_weight_decay'])}; the weights then turn so fast that the "
            "loss stays high."
        )
    if said.get("rest_probability") and not lines:  # the key is not in files that are older
        return ["No first jump is to be expected, so there is none to avoid."]
    return lines or ["No weight decay within six decades would avoid the first jump."]


def _what_if(rows: list[dict[str, Any]]) -> Table:
    table = [
        [
            number(one["weight_decay"]),
            Cell(WHAT[one["regime"]], role="words"),
            *(Cell("–") if one[name] is None else _in_steps(one[name]) for name in WHAT_IF),
        ]
        for one in rows
    ]
    head = [
        "weight decay",
        "what happens",
        "first jump [steps]",
        "period [steps]",
        "jumps, at most",
    ]
    return Table("Other weight decays, all else as planned", head, table)


WHAT_IF = ("first_jump", "period", "n_jumps_high")


def _pilots(said: dict[str, Any]) -> list[str]:
    lrs = ", ".join(f"{one:.2g}" for one in said["pilot_intrinsic_lr"])
    return [
        f"Pilots at ηλ = {lrs} took {count(said['pilot_steps'])} steps together, "
        f"{100 * said['pilot_steps'] / said['steps']:.1f} % of the planned run, which has ηλ = "
        f"{said['intrinsic_lr']:.2g}. {_speed(said['extrapolation'])} How periods change "
        "with decay is learnt from these pilots and from other networks; the less they say, the "
        "wider the band.",
    ]


def _speed(extrapolation: float) -> str:
    """How much faster pilots go through their periods."""
    if extrapolation < SAME_DECAY:
        return "They are shorter and decay no faster."
    return (
        f"They decay at least {extrapolation:.3g} times as fast, so their periods are shorter by "
        "about as much."
    )


def _pilot_table(tree: xr.DataTree) -> Table:
    runs = tree["comparison"].to_dataset()
    names = ("intrinsic_lr", "n_jumps", "first_jump", "period")
    rows = [
        [
            str(run),
            Cell(str(runs["regime"].sel(run=run).values), role="words"),
            number(float(runs["intrinsic_lr"].sel(run=run))),
            *(_in_steps(float(runs[name].sel(run=run))) for name in names[1:]),
        ]
        for run in runs["run"].values
    ]
    return Table("The pilots", ["run", "regime", *(VARIABLES[n].label for n in names)], rows)


def _provenance(tree: xr.DataTree) -> Section:
    held = tree["forecast"].to_dataset()
    matter = {
        "The forecast, as JSON": json.loads(held.attrs["forecast"]),
        "The planned run": json.loads(held.attrs["planned"]),
        "How this was made": json.loads(tree.attrs["provenance"]),
    }
    folds = [Fold(title, as_json(content)) for title, content in matter.items()]
    return Section("provenance", "Provenance", folds=folds, open=False)
