"""The front door: public names, their examples, what they load and what they say when hidden."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sawtooth
from sawtooth import accessor

REPOSITORY = Path(__file__).parents[2]
PROMISED = {
    "Monitor",
    "check_laws",
    "diagnose",
    "equilibrium",
    "load_images",
    "observe",
    "open_study",
    "predict",
    "predict_equilibrium",
    "render_report",
    "report",
    "run_study",
    "scale_invariant_parameters",
    "simulate",
    "solve_norm",
}
SECTIONS = ("Args:", "Raises:")


def run(code, folder):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_everything_promised_is_exported():
    assert set(sawtooth.__all__) >= PROMISED
    assert set(sawtooth.__all__) == set(sawtooth._HOMES)
    assert set(dir(sawtooth)) >= set(sawtooth.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sawtooth.__all__, "accessor"])
def test_each_name_has_an_example_that_runs(name, tmp_path, monkeypatch):
    found = accessor.SawtoothAccessor if name == "accessor" else getattr(sawtooth, name)
    for folder in ("results", "studies"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(found, name, globs={})
    outcome = doctest.DocTestRunner().run(example)
    assert outcome.attempted >= 2
    assert outcome.failed == 0


@pytest.mark.parametrize("name", sawtooth.__all__)
def test_each_name_says_what_it_takes_and_what_it_refuses(name):
    said = getattr(sawtooth, name).__doc__
    assert all(section in said for section in SECTIONS)


def test_the_door_itself_loads_nothing_heavy(tmp_path):
    heavy = "{'torch', 'numba', 'sympy', 'matplotlib', 'numpy', 'xarray', 'scipy'}"
    code = f"import sawtooth, sys; print(sorted({heavy} & set(sys.modules)))"
    assert run(code, tmp_path).stdout == "[]\n"


@pytest.mark.parametrize("module", ["theory.py", "compare.py", "empirical.py"])
def test_a_file_that_hides_a_package_is_named(module, tmp_path):
    (tmp_path / module).write_text("mine = 1\n")
    said = run("from sawtooth import predict", tmp_path).stderr.splitlines()[-1]
    assert said == (
        f"ImportError: {tmp_path / module} hides the package '{module[:-3]}' that sawtooth needs; "
        "rename it, or run from another folder"
    )


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Monitr'"):
        _ = sawtooth.Monitr
