"""A small study end to end, interrupted in every way, as a user runs it."""

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import xarray as xr

from compare.cli.main import main
from compare.study import layout, store

from ..accessible import problems

pytestmark = pytest.mark.slow

STUDY = """
name = "small"
title = "Small <b>study</b>"
seeds = 2
cycles = 11
checkpoint_seconds = 0
eval_every = 40
prediction_examples = 30

[[settings]]
learning_rate = 0.5
weight_decay = 12e-3
role = "calibration"

[[settings]]
learning_rate = 0.5
weight_decay = 24e-3
role = "calibration"

[[settings]]
learning_rate = 0.5
weight_decay = 6e-3
"""


def sawtooth(folder, *arguments):
    """A command of this process, in a folder; what it returned and said as of one of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err):
        returned = main(list(arguments))
    return subprocess.CompletedProcess(arguments, returned, out.getvalue(), err.getvalue())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the study file and the results of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(STUDY)
    done = sawtooth(folder, "run", "small.toml")
    assert done.returncode == 0, done.stderr
    assert "results/small/report.html" in done.stdout
    return folder


def assert_same_study(first, second):
    one, other = store.read(first), store.read(second)
    for name in layout.GROUPS:
        xr.testing.assert_identical(one[name].to_dataset(), other[name].to_dataset())
    assert one.attrs["config"] == other.attrs["config"]


def test_study_file_holds_networks_theory_and_comparison(folder):
    tree = store.read(folder / "results/small/study.nc")
    networks = tree["empirical"].to_dataset()
    assert networks.sizes["run"] == tree["comparison"].sizes["run"] == 6
    assert networks["run"].values.tolist() == tree["theory"]["run"].values.tolist()
    assert networks["n_steps"].values.tolist() == [1284, 1284, 642, 642, 2567, 2567]
    comparison = tree["comparison"].to_dataset()
    assert float(comparison["norm_law_residual"].max()) < 3e-5
    assert float(abs(comparison["log_balance_ratio"] - 1).max()) < 0.03
    assert set(comparison["regime"].values) == {"periodic"}
    error = comparison["predicted_period"] / comparison["period"] - 1
    assert float(abs(error).max()) < 0.6
    last = networks["test_error"].isel(run=4, eval_step=-1)
    assert 0.01 < float(last) < 0.1
    assert networks["test_probability"].dtype == np.float16
    assert networks["test_probability"].sizes["test_example"] == 30
    minima = comparison["minimum_step"].values
    within = (minima >= comparison["cycle_landing"]) & (minima < comparison["cycle_onset"])
    assert np.isfinite(minima).sum() == within.sum() > 30
    assert names(folder / "results/small") == ["report.html", "study.nc"]


def test_report_is_one_file_with_escaped_text(folder):
    text = (folder / "results/small/report.html").read_text()
    assert "Small &lt;b&gt;study&lt;/b&gt;" in text
    assert "<b>study" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text.count("data:image/svg+xml;base64,") == 8
    assert problems(text) == []
    assert "held-out" in text and "baseline" in text


def test_report_again_works_without_torch(folder, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from compare.cli.main import main\n"
        f"sys.exit(main(['report', {str(folder / 'results/small/study.nc')!r},"
        f" '--out', {str(tmp_path / 'again.html')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first = (folder / "results/small/report.html").read_text()
    assert (tmp_path / "again.html").read_text() == first


def start(folder, *arguments):
    command = [sys.executable, "-m", "compare.cli.main", "run", "small.toml", *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def test_killed_and_resumed_equals_uninterrupted(folder, tmp_path):
    out = tmp_path / "killed"
    process = start(folder, "--out", str(out))
    wait_for(out / "checkpoint.pt", process)
    process.kill()
    process.communicate()
    assert not (out / "study.nc").exists()
    done = sawtooth(folder, "run", "small.toml", "--out", str(out), "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_study(out / "study.nc", folder / "results/small/study.nc")
    assert not (out / "checkpoint.pt").exists()


def test_ctrl_c_keeps_a_checkpoint_and_exits_130(folder, tmp_path):
    out = tmp_path / "stopped"
    process = start(folder, "--out", str(out))
    wait_for(out / "checkpoint.pt", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "resume with --resume" in said
    assert "Traceback" not in said
    assert names(out) == ["checkpoint.pt", "checkpoint.pt.series0"]
    other = sawtooth(folder, "run", "small.toml", "--out", str(out), "--resume", "--seeds", "1")
    assert other.returncode == 2
    assert "belongs to another configuration" in other.stderr


def test_existing_results_are_refused_unless_told_otherwise(folder):
    study = folder / "results/small/study.nc"
    before = study.read_bytes()
    refused = sawtooth(folder, "run", "small.toml")
    assert refused.returncode == 2
    assert "use --resume to go on, --overwrite to start again" in refused.stderr
    other = sawtooth(folder, "run", "small.toml", "--resume", "--seeds", "3")
    assert other.returncode == 2
    assert "seeds is 2 there, 3 here" in other.stderr
    assert study.read_bytes() == before


def test_resuming_a_finished_study_keeps_its_numbers(folder, tmp_path):
    finished = folder / "results/small/study.nc"
    kept = tmp_path / "kept.nc"
    kept.write_bytes(finished.read_bytes())
    done = sawtooth(folder, "run", "small.toml", "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_study(kept, finished)
    assert store.read(kept).attrs["provenance"] == store.read(finished).attrs["provenance"]


def test_overwrite_starts_again(folder, tmp_path):
    out = tmp_path / "again"
    out.mkdir()
    (out / "study.nc").write_text("something else")
    quick = ("--overwrite", "--seeds", "1", "--cycles", "0.2")
    done = sawtooth(folder, "run", "small.toml", "--out", str(out), *quick)
    assert done.returncode == 0, done.stderr
    comparison = store.read(out / "study.nc")["comparison"]
    assert (
        "no setting to calibrate on has a complete period"
        in (comparison.attrs["reason_prediction"])
    )
    assert "No period was predicted" in (out / "report.html").read_text()
    assert np.isnan(comparison["period"].values).all()


def test_diverging_runs_exit_3_and_keep_the_data(tmp_path):
    text = STUDY.replace("weight_decay = 6e-3", "weight_decay = 0.0\nsteps = 30").replace(
        "learning_rate = 0.5\nweight_decay = 0.0", "learning_rate = 1e38\nweight_decay = 0.0"
    )
    (tmp_path / "small.toml").write_text(text)
    done = sawtooth(tmp_path, "run", "small.toml", "--cycles", "1")
    assert done.returncode == 3
    assert "2 runs diverged, first lr1e+38-wd0-seed0" in done.stderr
    tree = store.read(tmp_path / "results/small/study.nc")
    assert tree["empirical"]["status"].values.tolist() == ["completed"] * 4 + ["diverged"] * 2
    assert "was not finite at step" in str(tree["empirical"]["reason"].values[4])
    assert tree["comparison"]["regime"].values[4] == "divergence"
    expected = text.replace("weight_decay = 0.0\n", 'weight_decay = 0.0\nexpect = "divergence"\n')
    (tmp_path / "small.toml").write_text(expected)
    done = sawtooth(tmp_path, "run", "small.toml", "--cycles", "1", "--out", "expected")
    assert done.returncode == 0, done.stderr


def test_predict_from_a_study_gives_the_period_of_any_setting(folder):
    study = str(folder / "results/small/study.nc")
    asked = ["predict", "--from", study, "--lr", "0.25", "--wd", "12e-3", "--json"]
    # the held-out setting of the study has the same eta*lam
    held = store.read(folder / "results/small/study.nc")
    predicted = float(held["comparison"]["predicted_period"].values[4])
    as_long = ["--steps", str(int(held["empirical"]["n_steps"].values[4]))]
    answer = json.loads(sawtooth(folder, *asked, *as_long).stdout)
    same = [*asked[:3], "--lr", "0.5", "--wd", "6e-3", "--json", *as_long]
    assert json.loads(sawtooth(folder, *same).stdout)["period"] == pytest.approx(
        predicted, rel=1e-12
    )
    # but for the first jump, and with it the number of its periods, some of which are young
    assert answer["period"] == pytest.approx(predicted, rel=1e-3)
    assert answer["period_low"] < answer["period"] < answer["period_high"]
    assert answer["regime"] == "periodic"
    settled = json.loads(sawtooth(folder, *asked[:-3], "--wd", "1.6", "--json").stdout)
    assert settled["regime"] == "equilibrium"
    assert settled["period"] is settled["first_jump"] is settled["n_jumps_low"] is None
    assert settled["equilibrium_norm"] > 0
    refused = sawtooth(folder, *asked, "--grad-norm", "3")
    assert refused.returncode == 2
    assert "--grad-norm does not go with --from" in refused.stderr
    refused = sawtooth(folder, *asked, "--optimizer", "sgd")
    assert refused.returncode == 2
    assert "--optimizer does not go with --from" in refused.stderr


def test_interrupted_overwrite_is_resumed_not_forgotten(folder, tmp_path):
    out = tmp_path / "twice"
    out.mkdir()
    (out / "study.nc").write_bytes((folder / "results/small/study.nc").read_bytes())
    process = start(folder, "--out", str(out), "--overwrite", "--seeds", "1")
    wait_for(out / "checkpoint.pt", process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    again = ("run", "small.toml", "--out", str(out), "--resume", "--seeds", "1")
    done = sawtooth(folder, *again)
    assert done.returncode == 0, done.stderr
    assert store.read(out / "study.nc")["empirical"].sizes["run"] == 3


def test_a_single_short_run_still_gets_its_report(tmp_path):
    (tmp_path / "small.toml").write_text(
        'name = "small"\ntitle = "t"\nseeds = 1\n'
        "[[settings]]\nlearning_rate = 0.5\nweight_decay = 0.1\nsteps = 50\n"
    )
    done = sawtooth(tmp_path, "run", "small.toml")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results/small/report.html").read_text()
    assert "no run has the role calibration" in text
