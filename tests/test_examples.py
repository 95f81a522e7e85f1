"""The examples run as a reader runs them, and say what they should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
SAYS = {
    "predict": r"norm at rest 10\.57, there in 81283 steps\n.* 0\.0032 rad",
    "simulate_toy": r"wd0\.1-seed0: 19 jumps, period 147 steps",
    "norm_ode": r"rest at 2\.1150\n.*norm 1\.1907 after 3000 steps, rest at 1\.1907",
    "small_study": r"equilibrium, norm law to \d\.\de-08\nreport: small/report\.html",
    "monitor_training": r"\('0\.weight',\) followed, norm law to \d\.\de-0[3-7]\nreport: run\.html",
}


def test_there_are_few_of_them_and_they_are_short():
    assert {path.stem for path in EXAMPLES} == set(SAYS)
    assert max(len(path.read_text().splitlines()) for path in EXAMPLES) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_should(path, tmp_path):
    (tmp_path / "studies").symlink_to(REPOSITORY / "studies")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, path]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[path.stem], done.stdout), done.stdout
