"""How many processes train on this machine, and which GPU each of them sees."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from compare.cli.main import main
from compare.study import train_networks
from compare.study.design import Setting, Study
from compare.study.parts import dask_workers, local_processes
from empirical.training.recipe import Recipe

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS = 120  # to wait for something that must come


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_a_process_for_each_gpu_which_it_alone_sees(two_gpus):
    seen, deadline = set(), time.monotonic() + SECONDS
    with local_processes.pool("auto") as pool:
        assert pool._max_workers == 2
        while len(seen) < 2 and time.monotonic() < deadline:
            seen |= set(pool.map(os.getenv, [VISIBLE] * 10))
    assert seen == {"0", "1"}
    assert VISIBLE not in os.environ


def test_a_process_for_each_core_on_a_cpu(two_gpus, monkeypatch):
    monkeypatch.setenv(VISIBLE, "as before")
    with local_processes.pool("cpu") as pool, ProcessPoolExecutor() as usual:
        assert pool._max_workers == usual._max_workers
        assert pool.submit(os.getenv, VISIBLE).result() == "as before"


def test_a_study_in_parts_is_trained_by_processes_for_its_device(tmp_path, monkeypatch):
    asked = []

    @contextmanager
    def pool(device):
        asked.append(device)
        yield None

    monkeypatch.setattr(local_processes, "pool", pool)
    monkeypatch.setattr(train_networks, "_trained_in_parts", lambda study, out, executor: "trained")
    (tmp_path / "parts").mkdir()
    setting = Setting(0.5, 0.02, recipe=Recipe(model="mlp-8"), steps=30)
    study = Study(name="parts", title="Parts", settings=(setting,), device="cpu")
    assert train_networks.trained(study, tmp_path, resume=True, overwrite=False) == "trained"
    assert asked == ["cpu"]


@pytest.mark.filterwarnings("default")  # as the command meets them
@pytest.mark.parametrize(
    ("workers", "device", "gpus", "said"),
    [
        (8, "auto", ["0", "1"], "sawtooth: warning: 8 workers share 2 GPUs, where they"),
        (3, "cuda", ["0", "1"], "--workers 2 gives each a GPU of its own\n"),
        (2, "auto", ["0", "1"], ""),
        (8, "cpu", [], ""),
    ],
)
def test_workers_that_share_a_gpu_are_warned_of(
    two_gpus, tmp_path, monkeypatch, capsys, workers, device, gpus, said
):
    pytest.importorskip("distributed")
    made = []

    def cluster(*arguments):
        made.append(arguments)
        raise ValueError("no cluster is needed to see it")

    monkeypatch.setattr(dask_workers, "_local_cluster", cluster)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    arguments = ["run", "studies/digits.toml", "--out", str(tmp_path / "out")]
    assert main([*arguments, f"--workers={workers}", f"--device={device}"]) == 2
    assert made == [(workers, gpus)]
    warned = capsys.readouterr().err.removesuffix("sawtooth: no cluster is needed to see it\n")
    assert said in warned
    assert bool(warned) == bool(said)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0", "1"]),
        ("", ["0", "1"]),
        ("2, 3", ["2", "3"]),
        ("GPU-a,GPU-b,0", ["GPU-a", "GPU-b"]),
    ],
)
def test_workers_get_the_gpus_that_the_process_sees(visible, expected, two_gpus, monkeypatch):
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    assert local_processes.gpus_for("cuda") == expected
