"""Two studies side by side on one page: how they differ, and what each of them found."""

from pathlib import Path

from markupsafe import Markup

from compare.report.figures.over_settings import pair as pair_figures
from compare.report.figures.style import any_names
from compare.report.html import output, page
from compare.report.html.captions import PAIR
from compare.report.html.page import Figure, Fold, Page, Section, as_json
from compare.report.tables import pair as pair_tables
from compare.report.tables.cells import score
from compare.report.tables.pair import LETTERS, Pair, Told


def write(path: Path, first: Path, second: Path) -> None:
    """Write the page of two studies atomically.

    Args:
        path: the HTML file; an older one is replaced.
        first: study file A.
        second: study file B.

    Raises:
        ValueError: if one of them is not a study of networks.
        OSError: if it cannot be written, or something else than a report is there.
    """
    pair = Told.read(first), Told.read(second)
    with any_names():
        output.write_page(path, lambda: page.render(page_of(pair)))


def page_of(pair: Pair) -> Page:
    """The page of two studies."""
    named = [f"{letter} = {one.name}" for letter, one in zip(LETTERS, pair, strict=True)]
    drawn = pair_figures.periods([one.settings for one in pair])
    sections = [
        Section("differences", "How the studies differ", tables=[pair_tables.differences(pair)]),
        Section(
            "numbers",
            "What each found",
            tables=[pair_tables.numbers(pair), pair_tables.regimes(pair)],
        ),
        Section("laws", "Exact laws", tables=[pair_tables.laws(pair)]),
        Section("model", "Calibrated models", tables=[pair_tables.models(pair)]),
    ]
    folds = [Fold(one.config["title"], as_json(one.config)) for one in pair]
    return Page(
        title=" and ".join(dict.fromkeys(one.config["title"] for one in pair)),
        subtitle=f"Two Sawtooth studies side by side: {', '.join(named)}.",
        claim=_claim(pair),
        figure=Figure("periods", drawn, PAIR) if drawn else None,
        sections=[
            *(_told(section) for section in sections),
            Section("studies", "Both studies in full", folds=folds, open=False),
        ],
    )


def _told(section: Section) -> Section:
    """A section, or a sentence where its tables have nothing to say."""
    shown = [table for table in section.tables if table.rows]
    text = () if shown else ("Nothing: neither study says anything about it.",)
    if section.id == "differences" and not shown:
        text = ("They do not differ in what was asked for.",)
    return Section(section.id, section.title, text=text, tables=shown)


def _claim(pair: Pair) -> Markup:
    """The headline: errors of both predictions, or else how many runs were periodic."""
    if all("model_error" in one.scores for one in pair):
        said = [score("model_error", one.scores["model_error"]) for one in pair]
        return Markup(
            'Held-out periods are predicted to <span class="theory">{}</span> in A and to '
            '<span class="theory">{}</span> in B.'
        ).format(*said)
    counts = [score(n, one.scores[n]) for one in pair for n in ("n_periodic", "n_runs")]
    return Markup(
        '<span class="network">{} of {}</span> runs are periodic in A, '
        '<span class="network">{} of {}</span> in B.'
    ).format(*counts)
