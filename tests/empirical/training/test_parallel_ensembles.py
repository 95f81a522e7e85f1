import numpy as np
import pytest
import torch

from empirical.data import sources
from empirical.networks import by_name
from empirical.training import parallel_ensembles, train
from empirical.training.ensemble import Ensemble
from empirical.training.parallel_ensembles import Fleet
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

DIGITS = sources.load("digits")
RUNS = [
    RunSpec(0.5, 2e-2, 0, 130),
    RunSpec(0.5, 2e-3, 1, 40),
    RunSpec(1e38, 0.0, 2, 150),
    RunSpec(0.1, 1e-3, 0, 200),
    RunSpec(0.3, 1e-2, 5, 90),
]


def build(runs):
    recipe = Recipe(model="mlp-48-32", prediction_examples=20)
    network = by_name.build(recipe, DIGITS)
    return Ensemble(runs, recipe, network, DIGITS, eval_every=50, device=torch.device("cpu"))


def trained(n_groups):
    group = Fleet(RUNS, build, n_groups=n_groups)
    while not group.done:
        group.advance(60)
    return group


@pytest.fixture(scope="module")
def alone():
    return trained(1)


@pytest.mark.slow
@pytest.mark.parametrize("n_groups", [2, 3, 9])
def test_numbers_do_not_depend_on_the_number_of_groups(alone, n_groups):
    grouped = trained(n_groups)
    assert len(grouped.ensembles) == min(n_groups, 5)
    for name, values in grouped.finished_series().items():
        np.testing.assert_array_equal(values, alone.finished_series()[name])
    for name, values in grouped.evaluations(50).items():
        np.testing.assert_array_equal(values, alone.evaluations(50)[name])
    assert grouped.reasons == alone.reasons


def test_runs_keep_their_order_length_and_fate(alone):
    ends = alone.ends
    assert [ends[i] for i in (0, 1, 3, 4)] == [130, 40, 200, 90]
    assert ends[2] < 150
    assert [bool(reason) for reason in alone.reasons] == [False, False, True, False, False]
    recorded = np.isfinite(alone.finished_series()["weight_norm"]).sum(axis=1)
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


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_jobs_train_side_by_side_with_the_numbers_that_each_has_alone(monkeypatch):
    jobs = [
        train.Job(Recipe(model="mlp-16-16"), (RunSpec(0.5, 2e-2, 0, 70),)),
        train.Job(Recipe(model="mlp-8-8", batch_size=64), (RunSpec(0.5, 2e-3, 1, 120),)),
        train.Job(Recipe(model="mlp-16-16", augment=True), (RunSpec(0.1, 1e-3, 0, 50),)),
    ]
    calls = []

    def counted(ensembles, work):
        calls.append(len(ensembles))
        parallel_ensembles.side_by_side(ensembles, work)

    with monkeypatch.context() as patch:
        patch.setattr(train, "side_by_side", counted)
        together = train.train(jobs, train.Settings(eval_every=50))
    assert max(calls) == 2
    for job in jobs:
        alone = train.train([job], train.Settings(eval_every=50))
        run, n_steps = job.runs[0].id, job.runs[0].n_steps
        for name in ("weight_norm", "train_loss", "effective_grad_norm"):
            one, other = (d[name].sel(run=run)[:n_steps].values for d in (together, alone))
            np.testing.assert_array_equal(one, other)
            assert np.isfinite(one).all()


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("chunk", [3, 50])
def test_convolutions_do_not_depend_on_when_other_runs_end(chunk, monkeypatch):
    """The longer run is left alone at a step that chunks decide, and clocks decide chunks."""
    runs = (RunSpec(0.5, 2e-2, 0, 30), RunSpec(0.3, 2e-2, 1, 60))
    job = train.Job(Recipe(model="convnet-8", data="fake:320", batch_size=64), runs)
    expected = train.train([job], train.Settings(eval_every=100))
    monkeypatch.setattr(train, "_next_chunk", lambda *_: chunk)
    found = train.train([job], train.Settings(eval_every=100))
    np.testing.assert_array_equal(found["weight_norm"], expected["weight_norm"])
