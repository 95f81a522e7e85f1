import numpy as np
import pytest
import torch

from empirical import data, models
from empirical.ensemble import Ensemble
from empirical.fleet import Fleet
from empirical.recipe import Recipe
from theory.trajectory import RunSpec

DIGITS = data.load("digits")
RUNS = [
    RunSpec(0.5, 2e-2, 0, 130),
    RunSpec(0.5, 2e-3, 1, 40),
    RunSpec(1e38, 0.0, 2, 150),
    RunSpec(0.1, 1e-3, 0, 200),
    RunSpec(0.3, 1e-2, 5, 90),
]


def build(runs):
    recipe = Recipe(model="mlp-48-32", prediction_examples=20)
    network = models.build(recipe, DIGITS)
    return Ensemble(runs, recipe, network, DIGITS, eval_every=50, device=torch.device("cpu"))


def trained(n_groups):
    fleet = Fleet(RUNS, build, n_groups=n_groups, n_parallel=2)
    while not fleet.done:
        fleet.advance(60)
    return fleet


@pytest.fixture(scope="module")
def alone():
    return trained(1)


@pytest.mark.parametrize("n_groups", [2, 3, 9])
def test_numbers_do_not_depend_on_the_number_of_groups(alone, n_groups):
    fleet = trained(n_groups)
    assert len(fleet.ensembles) == min(n_groups, 5)
    for name, values in fleet.series().items():
        np.testing.assert_array_equal(values, alone.series()[name])
    for name, values in fleet.evaluations(50).items():
        np.testing.assert_array_equal(values, alone.evaluations(50)[name])
    assert fleet.reasons == alone.reasons


def test_runs_keep_their_order_length_and_fate(alone):
    ends = alone.ends
    assert [ends[i] for i in (0, 1, 3, 4)] == [130, 40, 200, 90]
    assert ends[2] < 150
    assert [bool(reason) for reason in alone.reasons] == [False, False, True, False, False]
    recorded = np.isfinite(alone.series()["weight_norm"]).sum(axis=1)
    assert recorded.tolist() == ends
    kept = alone.evaluations(50)["test_probability"]
    assert kept.shape == (5, 4, 20, 10) and kept.dtype == np.float16
    assert np.isfinite(kept[..., 0, 0]).sum(axis=1).tolist() == [3, 1, 1, 4, 2]
    evaluated = np.isfinite(alone.evaluations(50)["test_error"]).sum(axis=1)
    assert evaluated.tolist() == [3, 1, 1, 4, 2]


def test_threads_of_torch_are_left_as_they_were():
    before = torch.get_num_threads()
    trained(2)
    assert torch.get_num_threads() == before
