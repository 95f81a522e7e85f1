"""The page that every kind of report is made of."""

import re

import pytest

from compare import report
from compare.measure import over_seeds
from compare.predict import scores
from compare.report.html import page
from compare.report.html.captions import CAPTIONS
from compare.report.html.page import Card, Figure, Fold, Page, Section
from compare.report.tables import cells
from compare.report.tables.cells import Cell, Table, score
from theory.vocabulary import VARIABLES

from ..accessible import elements, problems

NO_BREAK = "\N{NO-BREAK SPACE}"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt"></svg>'


@pytest.fixture(scope="module")
def html(study):
    return report.render(study)


def text_of(html):
    without = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", without))


@pytest.mark.slow
def test_a_report_is_for_everybody(html):
    assert problems(html) == []


def test_the_checks_find_what_is_wrong(html):
    for good, bad in (
        ('alt="', 'alt="" data-was="'),
        ('scope="row"', ""),
        ('<h2 class="claim"', '<h4 class="claim"'),
        ('lang="en"', ""),
        ('id="runs"', 'id="levels"'),
        ("--soft: #565b60", "--soft: #a0a0a0"),
        ('href="#main"', 'href="#mian"'),
        ('<main id="main"', '<div id="main"'),
    ):
        assert good in html
        assert problems(html.replace(good, bad)), good


def test_the_first_screen_has_the_claim_and_its_figure(html, study):
    before = html[: html.index("<nav")]
    assert before.count("<img") == 1
    comparison = study["comparison"].to_dataset()
    settings = over_seeds.by_setting(comparison)
    scored = scores.of_study(study["empirical"].to_dataset(), comparison, settings)
    error = score("model_error", scored["model_error"]).replace(" ", NO_BREAK)
    claim = re.search(r'<h2 class="claim".*?</h2>', html, re.S)[0]
    assert "Fitted to 2 settings" in claim and error in claim
    assert CAPTIONS["periods"].text in before
    assert CAPTIONS["periods"].text not in html[html.index("<nav") :]


def test_one_file_that_needs_no_network(html):
    assert "http" not in html.replace("http://www.w3.org", "")
    assert not [a for tag, a in elements(html) if tag == "link" or (tag == "script" and "src" in a)]
    assert len(html.encode()) < 3e6


def test_every_figure_can_be_saved(html):
    found = elements(html)
    saved = [a["download"] for tag, a in found if tag == "a" and "download" in a]
    drawn = ["calibration", "close_up", "errors", "periods"]
    drawn += ["phases", "regimes", "trajectories"]
    assert sorted(saved) == [f"{name}.svg" for name in drawn]


def test_text_of_studies_is_escaped(html):
    assert "Drawn &lt;b&gt;study&lt;/b&gt;" in html and "<b>study" not in html


def test_contents_lead_to_every_section(html):
    nav = re.search(r"<nav.*?</nav>", html, re.S)[0]
    sections = [a["id"] for tag, a in elements(html) if tag == "section" and "id" in a]
    assert re.findall(r'href="#([^"]*)"', nav) == sections


def test_cells_carry_what_they_sort_by():
    cell = cells.number(1.234e-3)
    assert cell == "1.2 × 10⁻³" and cell.value == 1.234e-3
    assert cells.number(float("nan")).value is None
    assert cells.percent(-0.5).value == -0.5
    assert cells.verdict(True) == "✓ holds" and cells.verdict(False) == "✗ fails"
    rows = [["a", cell], ["b", cells.number(float("nan"))], ["c", "plain"]]
    html = page.render(
        Page("t", "s", "c", sections=[Section("x", "X", tables=[Table("T", ["n", "v"], rows)])])
    )
    assert '<td data-value="0.001234">1.2 × 10⁻³</td>' in html
    assert "<td>–</td>" in html and "<td>plain</td>" in html


def test_a_section_holds_whatever_a_module_gives_it():
    section = Section(
        "new",
        "New",
        text=["one <i>"],
        cards=[Card("7", "seven", "theory")],
        figures=[Figure("drawn", SVG, CAPTIONS["periods"])],
        tables=[Table("numbers", ["a"], [[Cell("b", role="words")]])],
        notes=["behind them"],
        folds=[Fold("more", "as it is"), Fold("rows", table=Table("t", ["a"], [["c"]]))],
        open=False,
    )
    html = page.render(Page("t", "s", "c", sections=[section, Section("other", "Other")]))
    assert problems(html) == []
    words = text_of(html)
    order = [
        "one &lt;i&gt;",
        "7 seven",
        "Filled circles",
        "numbers",
        "behind them",
        "as it is",
        "Other",
    ]
    places = [words.rindex(one) for one in order]
    assert places == sorted(places)
    assert html.count("<details open>") == 1 and html.count("<details>") == 1


def test_laws_say_whether_they_hold_and_why_they_may_be_off(html):
    words = text_of(html)
    for name in ("norm_law_residual", "log_balance_ratio"):
        metric = VARIABLES[name]
        assert metric.reason in words
    assert "✓ holds" in words
