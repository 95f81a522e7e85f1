import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from empirical.device import machine
from empirical.networks import by_name
from empirical.networks.cuda_streams import N_LANES
from empirical.training import evaluation, memory, train
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

RUNS = [RunSpec(0.1, 1e-3, seed, 10) for seed in range(8)]


@pytest.fixture(autouse=True)
def the_process_is_constant(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "HELD", tmp_path / "none")  # as on a system that does not tell


@pytest.mark.parametrize(
    ("few", "some", "more", "available", "expected"),
    [
        (1, 10, 14, 10, 1),
        (1, 10, 14, 21.9, 3),
        (1, 10, 14, 22, 4),
        (1, 10, 14, 5, 1),
        (1, 10, 10, 20, 101),
        (4, 22, 26, 34, 7),
        (4, 22, 26, 21.9, 3),
        (4, 22, 26, 5, 1),
    ],
)
def test_memory_grows_linearly(few, some, more, available, expected):
    assert memory.how_many_fit(few, some, more, available) == expected


class Steps:
    """Stands for an ensemble: a first step takes 2 GB, 3 for each run and 1 for each busy lane.

    A single run takes no lane. The very first step looks for fast kernels, with 5 GB more.
    """

    def __init__(self, device, runs):
        self.device, self.runs = device, runs

    def advance(self, n_steps):
        n_runs = len(self.runs)
        n_lanes = min(n_runs, N_LANES) if n_runs > 1 else 0
        needed = 2e9 + 3e9 * n_runs + 1e9 * n_lanes
        self.device["peak"] = 7e9 + needed + self.device.pop("search", 0)
        if self.device["peak"] > self.device["total"]:
            raise torch.OutOfMemoryError("full")


@pytest.fixture
def card(monkeypatch):
    """A GPU on which 7 GB are taken."""
    device = {"total": 80e9, "peak": 7e9, "search": 5e9}
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (device["total"] - 7e9, 0))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 7e9)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: device["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    return device


def test_a_group_fits_in_half_of_the_free_memory(card):
    expected = int((0.45 * 73 - 2 - N_LANES) / 3)
    assert memory.largest_group(lambda runs: Steps(card, runs), RUNS, card) == expected


@pytest.mark.parametrize("total", [11e9, 14e9, 27e9])
def test_where_a_few_runs_fill_the_card_groups_are_of_one(card, total):
    card["total"] = total
    assert memory.largest_group(lambda runs: Steps(card, runs), RUNS, card) == 1


def test_a_single_run_is_not_measured():
    assert memory.largest_group(pytest.fail, RUNS[:1], torch.device("cuda")) == 1


def test_what_a_network_keeps_of_an_example_is_counted():
    trained, frozen, kept = memory._shapes(Recipe(model="mlp-8-16"))
    network = by_name.build(Recipe(model="mlp-8-16"), memory.images_of(Recipe()))
    assert [tuple(shape) for shape in network.layers.shapes] == trained
    assert frozen == 10 * 16
    # input of each layer, of its normalisation and the output of its ReLU, float32
    per_example = 4 * (64 + 2 * 8 + 2 * 16)
    assert kept == pytest.approx(per_example, rel=0.1)  # and a little that all share


def test_more_runs_side_by_side_need_more_and_smaller_groups_less():
    def needed(model, n_runs, **how):
        jobs = [(Recipe(model=model), RUNS[:n_runs])]
        return memory.on_cpu(jobs, eval_every=10, n_parallel=1, **how)

    weights, examples = 64 * 512 + 512 * 512, 1437 + 360
    each = 4 * (3 * weights + 2 * 10 * 512 + 1437) + 4 * weights  # with a copy at an evaluation
    evaluated = 4 * 4 * 512 * examples
    more = needed("mlp-512-512", 8) - needed("mlp-512-512", 4)
    assert more == pytest.approx(4 * (each + evaluated), rel=0.02)
    assert needed("mlp-512-512", 8) - needed("mlp-512-512", 8, group_size=1) > 5 * evaluated


@pytest.mark.parametrize(
    ("n_steps", "compared", "copies"),
    [(10**6, True, memory.COPIES), (10**6, False, memory.UNCOMPARED), (10**8, False, 0)],
)
def test_series_count_where_they_are_in_memory(n_steps, compared, copies):
    def needed(n_steps):
        job = (Recipe(model="mlp-8"), [RunSpec(0.1, 1e-3, 0, n_steps)])
        return memory.on_cpu([job], eval_every=n_steps, n_parallel=1, compared=compared)

    more = needed(2 * n_steps) - needed(n_steps)
    assert more == pytest.approx(n_steps * 5 * 8 * copies)


def test_a_study_that_memory_cannot_hold_is_refused_before_any_work():
    job = train.Job(Recipe(model="resnet18", data="fake"), tuple(RUNS) * 1000)
    with pytest.raises(ValueError, match=r"this study needs about \d.*e\+03 GB of memory"):
        train.train([job], train.Settings(device="cpu"))


def test_the_process_counts_as_large_as_it_is(monkeypatch, tmp_path):
    jobs = [(Recipe(model="mlp-8"), RUNS[:1])]

    def needed_where_held(n_bytes):
        held = tmp_path / "statm"
        held.write_text(f"99999999 {n_bytes // os.sysconf('SC_PAGE_SIZE')} 7 7 0 7 0\n")
        monkeypatch.setattr(machine, "HELD", held)
        return memory.on_cpu(jobs, eval_every=10, n_parallel=1)

    untold = memory.on_cpu(jobs, eval_every=10, n_parallel=1)
    in_use = needed_where_held(0)
    assert untold - in_use == pytest.approx(memory.PROCESS)
    assert needed_where_held(2**29) - in_use == pytest.approx((1 + memory.READ_IN) * 2**29)
    assert needed_where_held(2**33) - in_use == pytest.approx(2**33 + memory.READ_IN_AT_MOST)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("model", ["mlp-1024-1024", "convnet-8"])
def test_the_estimate_is_above_the_peak_of_the_process(model):
    # not ru_maxrss, in which a new process begins with the peak of the one that started it
    code = (
        "import pathlib, sys\n"
        "from empirical.training import train\n"
        "from empirical.training.recipe import Recipe\n"
        "from theory.trajectory import RunSpec\n"
        "runs = tuple(RunSpec(0.1, 1e-3, seed, 2) for seed in range(3))\n"
        "jobs = [train.Job(Recipe(model=sys.argv[1], data='fake:512'), runs)]\n"
        "settings = train.Settings(device='cpu', cores=1)\n"
        "estimate = train.needed(jobs, settings)\n"
        "train.train(jobs, settings)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(1024 * int(status.partition('VmHWM:')[2].split()[0]) / estimate)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, model], capture_output=True, check=True)
    assert 0.5 < float(said.stdout) < 1.1


def test_a_shelf_keeps_what_was_measured_in_few_blocks(monkeypatch):
    monkeypatch.setattr(evaluation, "ROOMS", 3)
    shelf, kept = evaluation.Shelf(), []
    for i in range(7):
        runs = 5 if i < 5 else 2  # three have ended
        kept.append(shelf.keep({"a": torch.full((runs, 4), float(i))}, n_left=7 - i))
    assert [float(one["a"].mean()) for one in kept] == list(range(7))
    blocks = {one["a"].untyped_storage().data_ptr() for one in kept}
    assert len(blocks) == 3  # of 3 rooms, 3 again for what was left, and 2 for fewer runs
