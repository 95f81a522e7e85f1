import importlib
import sys

import pytest
import torch

from compare.cli import bench
from empirical.data import sources
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec


@pytest.fixture
def training(monkeypatch):
    monkeypatch.syspath_prepend(bench.BENCHMARKS)
    yield importlib.import_module("training")
    for name in ("training", "timing", "targets"):
        sys.modules.pop(name, None)


def test_what_recording_is_compared_with_moves_the_weights_alike(training, monkeypatch):
    monkeypatch.setattr(training, "DEVICE", torch.device("cpu"))
    images, recipe = sources.load("digits"), Recipe(model="mlp-8")
    runs = [RunSpec(0.5, 2e-3, seed, 20) for seed in range(3)]
    ends = []
    for kind in (training.Ensemble, training.Silent):
        fleet = training.trainer(runs, recipe, images, kind=kind)
        fleet.advance(9)
        ends.append(fleet.ensembles[0].weights.clone())
        assert fleet.step == 10
    assert torch.equal(*ends)
