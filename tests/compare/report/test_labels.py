"""Labels, units, ideals and tolerances of metrics are said once, in METRICS."""

import ast
from pathlib import Path

from compare.report.tables import cells
from compare.report.tables.laws import LAWS
from theory.vocabulary import VARIABLES

SOURCES = Path(cells.__file__).parent


def literals(path):
    """String constants of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, holders) and n.body and isinstance(n.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_file_repeats_the_label_of_a_metric():
    labels = {m.long_name for m in VARIABLES.values() if len(m.long_name) > 10}
    labels |= {m.label for m in VARIABLES.values() if " [" in m.label}
    repeated = [
        (path.name, text)
        for path in SOURCES.glob("*.py")
        if path.name != "metrics.py"
        for text in literals(path)
        if text in labels
    ]
    assert repeated == []


def test_every_law_check_says_what_it_demands_and_why_it_allows_more():
    checks = {name: m for name, m in VARIABLES.items() if m.high is not None}
    assert set(checks) == {*LAWS, "decay_rate_ratio"}
    for name, metric in checks.items():
        assert metric.low <= metric.perfect <= metric.high, name
        assert len(metric.reason) > 20, name
    assert all(m.reason == "" for name, m in VARIABLES.items() if name not in checks)
    assert all(m.long_name for m in VARIABLES.values())


def test_labels_carry_symbol_and_unit():
    assert VARIABLES["period"].label == "mean period T [steps]"
    assert VARIABLES["n_jumps"].label == "jumps"
