"""Tables that sort: the order itself, and the page in a browser."""

import json
import re
from pathlib import Path

import pytest

from compare.report.html import page
from compare.report.html.page import Page, Section
from compare.report.tables import cells as tables
from compare.report.tables.cells import Table

from ..javascript import dom, evaluate

SCRIPT = (Path(page.__file__).parent / "templates" / "page.js").read_text()
CELLS = [tables.number(x) for x in (30, 1.2e-3, float("nan"), -2, 4e7)]


def ordered(cells, tmp_path, *, descending=False):
    told = [{"text": str(cell), "value": getattr(cell, "value", None)} for cell in cells]
    code = f"{SCRIPT}\norder({json.dumps(told)}, {str(descending).lower()})"
    return [cells[i] for i in evaluate(code, tmp_path)]


def test_numbers_sort_as_numbers_and_dashes_come_last(tmp_path):
    assert ordered(CELLS, tmp_path) == ["-2.00", "1.2 × 10⁻³", "30.0", "4.0 × 10⁷", "–"]
    assert ordered(CELLS, tmp_path, descending=True) == [
        "4.0 × 10⁷", "30.0", "1.2 × 10⁻³", "-2.00", "–",
    ]  # fmt: skip


def test_text_sorts_with_the_numbers_in_it(tmp_path):
    runs = ["lr1-seed10", "lr1-seed9", "", "lr0.5-seed1"]
    assert ordered(runs, tmp_path) == ["lr0.5-seed1", "lr1-seed9", "lr1-seed10", ""]


def test_equal_rows_keep_their_order(tmp_path):
    code = f"{SCRIPT}\norder([3, 1, 3, 1].map(v => ({{text: '', value: v}})), true)"
    assert evaluate(code, tmp_path) == [0, 2, 1, 3]


@pytest.mark.slow
def test_headings_sort_the_table_of_a_page(tmp_path):
    table = Table("T", ["name", "value"], [[f"r{i}", cell] for i, cell in enumerate(CELLS)])
    html = page.render(Page("t", "s", "c", sections=[Section("x", "X", tables=[table])]))
    click = "<script>for (let i = 0; i < 2; i++) document.querySelectorAll('th button')[1].click()"
    after = dom(html.replace("</body>", f"{click}</script></body>"), tmp_path)
    assert re.findall(r'<th scope="row">(r\d)</th>', after) == ["r4", "r0", "r1", "r3", "r2"]
    heads = re.findall(r'<th scope="col"([^>]*)><button type="button">', after)
    assert heads == ["", ' aria-sort="descending"']
