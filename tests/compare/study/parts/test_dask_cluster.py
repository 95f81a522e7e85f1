"""The command on a local cluster of processes, one of which is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr

from compare.study import run_study

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.slow

STUDY = """
name = "cluster"
title = "Cluster"
model = "mlp-8"
seeds = 2
steps = 3000
checkpoint_seconds = 0
group_size = 1

[[settings]]
learning_rate = 0.5
weight_decay = 12e-3
"""
SECONDS = 120  # to wait for something that must come


def sawtooth(folder, *arguments):
    command = [sys.executable, "-m", "compare.cli.main", "run", "study.toml", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition):
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def workers_of(client):
    """Processes that Dask has spawned and that train."""
    return [
        child
        for child in psutil.Process(client.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


def test_kills_and_ctrl_c_lose_nothing(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    parts = tmp_path / "killed" / "parts"
    client = sawtooth(tmp_path, "--out", "killed", "--workers", "2")
    wait_for(lambda: list(parts.glob("*.pt")))
    workers_of(client)[0].kill()
    wait_for(lambda: list(parts.glob("*.nc")) or len(list(parts.glob("*.steps"))) == 2)
    os.killpg(client.pid, signal.SIGINT)  # as a terminal does
    _, said = client.communicate(timeout=SECONDS)
    assert client.returncode == 130, said
    takes, stopped = said.splitlines()
    assert takes.startswith("2 networks, 6e+03 steps in all: ")
    assert "parts to go" in stopped and stopped.endswith("resume with --resume")
    resumed = sawtooth(tmp_path, "--out", "killed", "--workers", "2", "--resume")
    _, said = resumed.communicate(timeout=SECONDS)
    assert (resumed.returncode, said.splitlines()) == (0, [takes])
    whole = sawtooth(tmp_path, "--out", "whole")
    whole.communicate(timeout=SECONDS)
    one, other = (run_study.open_study(tmp_path / name) for name in ("killed", "whole"))
    assert set(one.children) == set(other.children)
    for group in one.children:
        xr.testing.assert_identical(one[group].to_dataset(), other[group].to_dataset())
