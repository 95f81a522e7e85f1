"""The same numbers on one core and on two, alone and beside others, in steps and evaluations."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from empirical.device import machine
from empirical.training import checkpoint, train
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

# With odd numbers of weights, of activations and of examples, nothing is aligned by itself.
MLP = {"data": "digits", "train_per_class": 10, "batch_size": 33}
IMAGES = {"data": "fake:48", "batch_size": 16}
RECIPES = {
    "mlp": Recipe(model="mlp-65-63", sharpness_examples=20, prediction_examples=9, **MLP),
    "all": Recipe(model="mlp-33-17", trained="all", precision="float64", **MLP),
    "bf16": Recipe(model="mlp-33-17", precision="bf16", **MLP),
    "convnet": Recipe(model="convnet-5", **IMAGES),
    "resnet": Recipe(model="resnet18-2", **IMAGES),
    "user": Recipe(model="mine:odd", data="digits", train_per_class=10, batch_size=31),
}


def odd(image_shape, n_classes):
    """A user's module with 3 * 7 * 9 + 63 * 13 + 13 * 10 weights and some biases."""
    return nn.Sequential(
        nn.Conv2d(image_shape[0], 7, 3, bias=False),
        nn.BatchNorm2d(7),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(63, 13),
        nn.BatchNorm1d(13),
        nn.ReLU(),
        nn.Linear(13, n_classes),
    )


@pytest.fixture(autouse=True)
def mine(monkeypatch):
    module = ModuleType("mine")
    module.odd = odd
    monkeypatch.setitem(sys.modules, "mine", module)


def numbers(recipe, runs, *, threads):
    """All that training records of the last run, where there are so many threads to be used."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            trained = train.train([train.Job(recipe, tuple(runs))], train.Settings(eval_every=3))
    finally:
        torch.set_num_threads(before)
    assert np.isfinite(trained["train_loss"]).all()
    return {name: part.values for name, part in trained.isel(run=-1).data_vars.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_numbers_depend_on_neither_cores_nor_neighbours(name):
    runs = [RunSpec(0.2, 1e-2, seed, 5) for seed in range(2)]
    alone = numbers(RECIPES[name], runs[1:], threads=2)
    assert alone["test_loss"].shape == (2,)
    together = numbers(RECIPES[name], runs, threads=1)
    for key, values in together.items():
        np.testing.assert_array_equal(values, alone[key], err_msg=key)


@pytest.mark.filterwarnings("default")
def test_a_resume_on_another_machine_is_told(tmp_path, monkeypatch):
    job = train.Job(Recipe(model="mlp-8", **MLP), (RunSpec(0.5, 1e-3, 0, 4),))
    settings = train.Settings(eval_every=100, checkpoint=tmp_path / "c.pt")
    here = machine.describe(torch.device("cpu"))
    assert train.train([job], settings).attrs["device"] == here
    assert torch.backends.cpu.get_cpu_capability() in here and torch.__version__ in here
    with pytest.warns(UserWarning, match=r"began on .* and goes on on Other: .* rounding only"):
        monkeypatch.setattr(machine, "describe", lambda device: "Other")
        again = train.train([job], settings)
    assert again.attrs["device"] == f"{here}, then Other"
    assert checkpoint.load(settings.checkpoint, config="")["machines"] == [here, "Other"]
