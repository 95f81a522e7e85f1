"""The report of bare trajectories, such as a monitor saves: what happened, what theory says."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from compare.measure.channels import Channels
from compare.measure.recorded import observe
from compare.report.figures.over_time import channels as channel_figure
from compare.report.figures.over_time import monitored
from compare.report.html.captions import MONITORED
from compare.report.html.page import Figure, Fold, Page, Section, as_json
from compare.report.pages.monitored import channels
from compare.report.pages.monitored import run as followed
from compare.report.pages.monitored.headline import headline
from compare.report.pages.monitored.run import Followed

MAX_RUNS = 8  # what one page can show


def draw(trajectories: xr.Dataset) -> dict[str, str]:
    """Draw the figures as SVG, by name."""
    return _draw(trajectories, _followed(trajectories))


def _draw(trajectories: xr.Dataset, shown: Sequence[Followed]) -> dict[str, str]:
    """The same of the runs that are shown."""
    drawn = {}
    for one in shown:
        drawn[f"trajectory-{one.id}"] = monitored.trajectory(trajectories, one.id, one.settled)
        if one.ahead is not None:
            drawn[f"ahead-{one.id}"] = monitored.ahead(one.ahead)
        if "layer_weight_norm" in trajectories:
            drawn[f"layers-{one.id}"] = monitored.layers(trajectories, one.id)
        held = Channels.of(trajectories, one.id)
        if held is not None and len(held.steps) > 1:
            drawn[f"channels-{one.id}"] = channel_figure.spread(held)
    return drawn


def page_of(trajectories: xr.Dataset) -> Page:
    """The page of bare trajectories: a section for each run, the first of them up front."""
    shown = _followed(trajectories)
    drawn = _draw(trajectories, shown)
    first = f"trajectory-{shown[0].id}"
    figure = Figure(first, drawn.pop(first), MONITORED["trajectory"])
    model, data = (_names(trajectories, name) for name in ("model", "data"))
    return Page(
        title=f"{model}, {'simulated' if _simulated(trajectories) else 'monitored'}",
        subtitle=_subtitle(trajectories, data),
        claim=headline(shown[0]),
        figure=figure,
        cards=followed.cards(shown[0]),
        sections=[
            _background(trajectories, len(shown)),
            *(part for i, one in enumerate(shown) for part in _sections(one, i, drawn)),
            _evidence(trajectories),
        ],
    )


def _sections(run: Followed, place: int, drawn: Mapping[str, str]) -> list[Section]:
    """What the page says of a run, and of its channels where there are any."""
    found = [followed.section(run, f"run-{place + 1}", drawn, lead=place == 0)]
    held = Channels.of(run.trajectories, run.id)
    if held is not None:
        svg = drawn.get(f"channels-{run.id}", "")
        of_run = f": {run.id}" if place else ""
        found.append(channels.section(held, f"channels-{place + 1}", svg, of_run=of_run))
    return found


def _followed(trajectories: xr.Dataset) -> list[Followed]:
    """Runs that the report shows."""
    observed = observe(trajectories.isel(run=slice(MAX_RUNS)))
    runs = [str(run) for run in observed["run"].values]
    return [Followed.of(trajectories, observed.sel(run=run)) for run in runs]


def _simulated(trajectories: xr.Dataset) -> bool:
    """Whether the runs are those of a toy, whose data is a formula."""
    return trajectories["weight_norm"].attrs.get("source") == "theory"


def _names(trajectories: xr.Dataset, name: str) -> str:
    return ", ".join(filter(None, np.unique(trajectories[name].values)))


def _subtitle(trajectories: xr.Dataset, data: str) -> str:
    """What was recorded, and at what cost."""
    overhead = trajectories.attrs.get("overhead")
    sentences = (
        "" if _simulated(trajectories) else data and f"Trained on {data}.",
        (headline := _invariance(trajectories).partition("\n")[0]) and f"{headline}.",
        "" if overhead is None else f"The monitor took {100 * float(overhead):.1f} % of the time.",
    )
    return " ".join(filter(None, sentences))


def _invariance(trajectories: xr.Dataset) -> str:
    if "invariance" not in trajectories:
        return ""
    said = map(str, trajectories["invariance"].values.ravel())  # of several monitors, one each
    return "\n".join(dict.fromkeys(said))


def _background(trajectories: xr.Dataset, n_shown: int) -> Section:
    """What to know before reading the runs."""
    notes = str(trajectories.attrs.get("notes", ""))
    left_out = trajectories.sizes["run"] - n_shown
    text = [
        "The loss does not feel the norm ρ of scale-invariant weights, but their steps do: the "
        "smaller ρ, the larger the angle they turn by. What counts is the effective learning rate "
        "η/ρ². Weight decay raises it, large steps lower it, and where both balance the norm rests."
    ]
    if notes:
        text.append(f"Scale-invariant, but not followed: {notes}.")
    if left_out:
        text.append(f"{left_out} more runs are in the file and not shown.")
    return Section("background", "What counts", text=text)


def _evidence(trajectories: xr.Dataset) -> Section:
    """Which weights are scale-invariant, and how all this was recorded."""
    attributes = {name: str(value) for name, value in trajectories.attrs.items()}
    folds = [Fold("How this was recorded", as_json(attributes))]
    if evidence := _invariance(trajectories):
        folds.insert(0, Fold("Evidence for each parameter", evidence))
    return Section("evidence", "Scale invariance, as measured", folds=folds, open=False)
