"""What only a GPU can show: graphs repeat the eager steps, and nothing waits for the device."""

import sys

import numpy as np
import pytest
import torch

from empirical.data import sources
from empirical.device import cuda_graphs
from empirical.networks import by_name
from empirical.training import memory, train
from empirical.training.ensemble import Ensemble
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
GPU, CPU = torch.device("cuda"), torch.device("cpu")
SOURCES = {"digits": sources.load("digits"), "fake": sources.load("fake:230")}
CASES = {
    "mlp": ("digits", {"model": "mlp-48-32"}),
    "mlp with momentum": ("digits", {"model": "mlp-48-32", "augment": True}),
    "mlp on the sphere": ("digits", {"model": "mlp-48-32", "fixed_norm": True}),
    "mlp clipped": ("digits", {"model": "mlp-48-32", "clip": 1.5}),
    "mlp growing": ("digits", {"model": "mlp-48-32", "schedule": "growing"}),
    "mlp full batch": ("digits", {"model": "mlp-48-32", "full_batch": True, "batch_size": 500}),
    "mlp all": ("digits", {"model": "mlp-48-32", "trained": "all", "schedule": "cosine"}),
    "convnet": ("fake", {"model": "convnet-8"}),
    "convnet with momentum": ("fake", {"model": "convnet-8", "augment": True}),
    "convnet, short batches": ("fake", {"model": "convnet-8", "keep_last_batch": True}),
    "resnet18": ("fake", {"model": "resnet18-4"}),
}
N_STEPS = 16


def ensemble(name, *, device=GPU, graphs=True, lengths=(N_STEPS, N_STEPS), **changes):
    source, options = CASES[name]
    recipe = Recipe(**{"batch_size": 50} | options | changes)
    momentum = 0.9 if "momentum" in name else 0.0
    decay = 0.0 if recipe.fixed_norm else 1e-2
    runs = [
        RunSpec(0.05 / (1 + seed), decay, seed, n, momentum=momentum)
        for seed, n in enumerate(lengths)
    ]
    images = SOURCES[source]
    network = by_name.build(recipe, images)
    return Ensemble(runs, recipe, network, images, eval_every=5, device=device, graphs=graphs)


def trained(name, **options):
    trainer = ensemble(name, **options)
    while not trainer.done:
        trainer.advance(9)
    return trainer


def records(trainer):
    return [record.values.numpy() for record in trainer.records]


def assert_close(left, right, rtol):
    for one, other in zip(records(left), records(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-3 * rtol)
    for one, other in zip(left.evaluations, right.evaluations, strict=True):
        for quantity in ("test_loss", "layer_weight_norm", "layer_effective_grad_norm"):
            values = one.values[quantity].numpy(), other.values[quantity].numpy()
            np.testing.assert_allclose(*values, rtol=10 * rtol)


@pytest.mark.parametrize("name", CASES)
def test_graphs_repeat_the_eager_steps(name):
    graphs = trained(name, precision="float64")
    eager = trained(name, precision="float64", graphs=False)
    assert graphs.refused == ""
    assert graphs.n_replayed >= N_STEPS - 2 * cuda_graphs.WARM_UP
    assert eager.n_replayed == 0
    assert_close(graphs, eager, rtol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_a_gpu_follows_the_cpu(name):
    assert_close(
        trained(name, precision="float64"), trained(name, precision="float64", device=CPU), 1e-6
    )


@pytest.mark.parametrize("name", ["mlp", "convnet with momentum", "resnet18"])
def test_in_float32_too_until_rounding_has_grown(name):
    graphs, eager = trained(name), trained(name, graphs=False)
    cpu = trained(name, device=CPU)
    # convolutions summed in another order part by 4e-4 in the second step, 1e-2 in the fourth
    n_steps, rtol = (6, 1e-3) if name == "mlp" else (2, 3e-3)
    for other in (eager, cpu):
        for one, two in zip(records(graphs)[:1], records(other)[:1], strict=True):
            np.testing.assert_allclose(one[:2, :n_steps], two[:2, :n_steps], rtol=rtol)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_coarser_arithmetic_is_near(precision):
    coarse, exact = trained("convnet", precision=precision), trained("convnet")
    assert coarse.n_replayed > 0
    first = records(coarse)[0][:2, :2], records(exact)[0][:2, :2]
    np.testing.assert_allclose(*first, rtol=0.05)


def test_a_step_is_recorded_anew_when_a_run_ends():
    options = {"precision": "float64", "lengths": (8, 16)}
    graphs, eager = trained("convnet", **options), trained("convnet", graphs=False, **options)
    assert graphs.n_replayed > 8
    assert_close(graphs, eager, rtol=1e-7)


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("name", ["mlp with momentum", "mlp full batch", "convnet", "resnet18"])
def test_nothing_in_a_chunk_waits_for_the_device(name, graphs):
    trainer = ensemble(name, graphs=graphs, lengths=(100, 100))
    trainer.eval_every = 1000
    trainer.advance(10)
    draws, rates = trainer.batches.draw(10, 30, [0, 1]), trainer._rates(10, 30)
    with cuda_graphs._refusing_to_wait():
        trainer.one.load(draws, rates)
        trainer._train_until(30)
    assert trainer.one.recorded(20).isfinite().all()


class Waiting(torch.nn.Sequential):
    def forward(self, images):
        logits = super().forward(images)
        return logits if logits.sum().item() > -1e30 else -logits


def waiting(image_shape, n_classes):
    return Waiting(
        torch.nn.Flatten(),
        torch.nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], 16),
        torch.nn.BatchNorm1d(16, eps=1e-10),
        torch.nn.ReLU(),
        torch.nn.Linear(16, n_classes),
    )


def test_a_module_that_waits_is_trained_without_graphs(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    recipe = Recipe(model="mine:waiting", precision="float64")
    job = train.Job(recipe, (RunSpec(0.05, 1e-2, 0, 12),))
    by_gpu = train.train([job], train.Settings(device="cuda"))
    assert by_gpu.attrs["execution"].startswith("without CUDA graphs: a step of this model waits")
    by_cpu = train.train([job], train.Settings(device="cpu"))
    np.testing.assert_allclose(by_gpu["train_loss"], by_cpu["train_loss"], rtol=1e-6)


def test_train_uses_graphs_and_says_so():
    runs = tuple(RunSpec(0.05, 1e-2, seed, 20) for seed in range(3))
    job = train.Job(Recipe(model="mlp-16"), runs)
    assert train.train([job], train.Settings(device="cuda")).attrs["execution"] == "CUDA graphs"
    without = train.train([job], train.Settings(device="cuda", graphs=False))
    assert "execution" not in without.attrs


def test_many_small_networks_fit():
    def build(runs):
        recipe = Recipe(model="mlp-48-32")
        images = SOURCES["digits"]
        network = by_name.build(recipe, images)
        return Ensemble(runs, recipe, network, images, eval_every=50, device=GPU)

    runs = [RunSpec(0.05, 1e-2, seed, 10) for seed in range(2)]
    assert memory.largest_group(build, runs, GPU) > 20
