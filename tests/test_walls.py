"""Imports run one way: theory <- empirical <- compare; reading results needs no torch."""

import subprocess
import sys

import pytest


def loaded_after(statement):
    """Names of top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def test_theory_imports_neither_torch_nor_the_other_packages():
    modules = "laws, equilibrium, norm_ode, reduced, trajectory, validate"
    loaded = loaded_after(f"from theory import {modules}")
    assert "theory" in loaded
    assert not loaded & {"torch", "empirical", "compare", "sklearn", "matplotlib"}


def test_empirical_does_not_import_compare():
    loaded = loaded_after("from empirical import train")
    assert "torch" in loaded
    assert "compare" not in loaded


@pytest.mark.parametrize(
    "module",
    [
        "align",
        "calibrate",
        "checks",
        "config",
        "monitored",
        "observables",
        "page",
        "pair",
        "report",
        "sandbox",
        "settling",
        "store",
        "study",
    ],
)
def test_compare_reads_and_reports_without_torch(module):
    loaded = loaded_after(f"from compare import {module}")
    assert not loaded & {"torch", "sklearn"}


def test_help_imports_nothing_heavy():
    loaded = loaded_after("from compare import cli")
    assert not loaded & {"numpy", "xarray", "scipy", "torch", "matplotlib", "numba"}
