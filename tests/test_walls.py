"""Imports run one way, without circles: theory <- empirical <- compare <- sawtooth.

Reading results, measuring them and writing reports needs neither torch nor Numba nor SymPy.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FLOORS = ("theory", "empirical", "compare", "sawtooth")
TRAINING = {"torch", "torchvision", "sklearn"}
COMPILED = {"numba", "sympy"}
# What anybody does with a file that is there; each is imported alone.
READING = (
    "compare.diagnose.diagnose",
    "compare.report",
    "compare.report.gallery",
    "compare.measure.recorded",
    "compare.predict.closed_forms",
    "compare.predict.from_study",
    "compare.study.comparison",
    "compare.study.run_study",
    "compare.study.store",
    "compare.study.toml_file",
    "sawtooth.accessor",
)


def modules():
    """Every module of the packages, by dotted name."""
    paths = [path for floor in FLOORS for path in (REPOSITORY / floor).rglob("*.py")]
    parts = {path: path.relative_to(REPOSITORY).with_suffix("").parts for path in paths}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


def imports_of(path, known):
    """Modules of ours that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


@pytest.fixture(scope="module")
def graph():
    known = modules()
    return {name: imports_of(path, set(known)) - {name} for name, path in known.items()}


def loaded_after(statement):
    """Names of top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def test_there_are_no_circles(graph):
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) == len(graph)


def test_imports_run_one_way(graph):
    upward = [
        (name, other)
        for name, others in graph.items()
        for other in others
        if FLOORS.index(other.split(".")[0]) > FLOORS.index(name.split(".")[0])
    ]
    assert upward == []


def test_a_level_has_about_nine_entries():
    crowded = {}
    for name, path in modules().items():
        if path.name == "__init__.py":
            entries = [p for p in path.parent.iterdir() if not p.name.startswith("_")]
            if len(entries) > 11:
                crowded[name] = len(entries)
    assert crowded == {}


def test_every_room_has_its_line_on_the_map():
    """The docstring of a package names each of its files and folders."""
    unnamed = []
    for name, path in modules().items():
        if path.name != "__init__.py" or name == "sawtooth":
            continue
        said = ast.get_docstring(ast.parse(path.read_text())).splitlines()
        named = {line.split()[0].rstrip("/") for line in said if line.strip()}
        rooms = [p for p in path.parent.iterdir() if (p / "__init__.py").is_file()]
        rooms += [p for p in path.parent.glob("*.py") if p != path]
        unnamed += [(name, room.stem) for room in rooms if room.stem not in named]
    assert unnamed == []


@pytest.mark.slow
def test_theory_needs_no_torch_anywhere():
    names = [name for name in modules() if name.split(".")[0] == "theory"]
    loaded = loaded_after("\n".join(f"import {name}" for name in names))
    assert not loaded & {*TRAINING, "empirical", "compare", "matplotlib"}


@pytest.mark.slow
@pytest.mark.parametrize("module", READING)
def test_reading_and_reporting_need_neither_torch_nor_a_compiler(module):
    assert not loaded_after(f"import {module}") & (TRAINING | COMPILED)


def test_help_imports_nothing_heavy():
    loaded = loaded_after("from compare.cli import main")
    assert not loaded & {"numpy", "xarray", "scipy", "matplotlib", *TRAINING, *COMPILED}
