import pytest
import torch

from empirical.training import memory
from theory.trajectory import RunSpec

RUNS = [RunSpec(0.1, 1e-3, seed, 10) for seed in range(8)]


@pytest.mark.parametrize(
    ("one", "two", "available", "expected"),
    [(10, 14, 10, 1), (10, 14, 21.9, 3), (10, 14, 22, 4), (10, 14, 5, 1), (10, 10, 20, 101)],
)
def test_memory_grows_linearly(one, two, available, expected):
    assert memory.how_many_fit(one, two, available) == expected


class Steps:
    """Stands for an ensemble: a first step takes 2 GB and 3 more for each run."""

    def __init__(self, device, runs):
        self.device, self.runs = device, runs

    def advance(self, n_steps):
        self.device["peak"] = 7e9 + 2e9 + 3e9 * len(self.runs)
        if self.device["peak"] > self.device["total"]:
            raise torch.OutOfMemoryError("full")


@pytest.fixture
def card(monkeypatch):
    """A GPU on which 7 GB are taken."""
    device = {"total": 80e9, "peak": 7e9}
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (device["total"] - 7e9, 0))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 7e9)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: device["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    return device


def test_a_group_fits_in_half_of_the_free_memory(card):
    expected = int((0.45 * 73 - 2) / 3)
    assert memory.largest_group(lambda runs: Steps(card, runs), RUNS, card) == expected


@pytest.mark.parametrize("total", [11e9, 14e9])
def test_where_one_or_two_runs_fill_the_card_groups_are_of_one(card, total):
    card["total"] = total
    assert memory.largest_group(lambda runs: Steps(card, runs), RUNS, card) == 1


def test_a_single_run_is_not_measured():
    assert memory.largest_group(pytest.fail, RUNS[:1], torch.device("cuda")) == 1
