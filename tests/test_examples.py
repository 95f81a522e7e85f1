"""The examples run as a reader runs them, and say what they should."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
LAW = r"norm law to \d\.\de-0[67]\nreport: run\.html"
SAYS = {
    "predict": r"norm at rest 10\.57, there in 81283 steps\n.* 0\.0032 rad",
    "simulate_toy": r"wd0\.1-seed0: 19 jumps, period 147 steps",
    "norm_ode": r"rest at 2\.1150\n.*norm 1\.1907 after 3000 steps, rest at 1\.1907",
    "small_study": r"equilibrium, norm law to \d\.\de-08\nreport: small/report\.html",
    "monitor_training": r"\('0\.weight',\) followed, " + LAW,
    "accelerate_training": r"\('0\.weight',\) followed, " + LAW,
    "lightning_training": r"\('0\.weight',\) followed, " + LAW,
    "hf_trainer": r"'model\.layers\.1\.self_attn\.k_proj\.weight'\) followed, " + LAW,
}
NEEDS = {
    "accelerate_training": "accelerate",
    "lightning_training": "lightning",
    "hf_trainer": "transformers",
}


def test_there_are_few_of_them_and_they_are_short():
    assert {path.stem for path in EXAMPLES} == set(SAYS)
    assert max(len(path.read_text().splitlines()) for path in EXAMPLES) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_should(path, tmp_path):
    if (package := NEEDS.get(path.stem)) and not find_spec(package):
        pytest.skip(f"{package} is not installed; it is in the dependency group `trainers`")
    (tmp_path / "studies").symlink_to(REPOSITORY / "studies")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, path]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[path.stem], done.stdout), done.stdout
