"""What only a GPU can show: graphs repeat the eager steps, and nothing waits for the device."""

import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from empirical.data import sources
from empirical.device import cuda_graphs
from empirical.monitor.monitor import Monitor
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
SOURCES = {name: sources.load(name) for name in ("digits", "fake:230")}
PROBED = {"sharpness_examples": 20, "prediction_examples": 7}
CASES = {
    "mlp": ("digits", {"model": "mlp-48-32"}),
    "mlp with momentum": ("digits", {"model": "mlp-48-32", "augment": True}),
    "mlp on the sphere": ("digits", {"model": "mlp-48-32", "fixed_norm": True}),
    "mlp clipped": ("digits", {"model": "mlp-48-32", "clip": 1.5}),
    "mlp growing": ("digits", {"model": "mlp-48-32", "schedule": "growing"}),
    "mlp full batch": ("digits", {"model": "mlp-48-32", "full_batch": True, "batch_size": 500}),
    "mlp all": ("digits", {"model": "mlp-48-32", "trained": "all", "schedule": "cosine"}),
    "convnet": ("fake:230", {"model": "convnet-8"}),
    "convnet with momentum": ("fake:230", {"model": "convnet-8", "augment": True}),
    "convnet, short batches": ("fake:230", {"model": "convnet-8", "keep_last_batch": True}),
    "convnet all": ("fake:230", {"model": "convnet-8", "trained": "all"}),
    "convnet probed": ("fake:230", {"model": "convnet-2"} | PROBED),
    "resnet18": ("fake:230", {"model": "resnet18-4"}),
    "resnet18 all": ("fake:230", {"model": "resnet18-4", "trained": "all"}),
}
N_STEPS = 16
MEASURED = ("test_loss", "layer_weight_norm", "layer_effective_grad_norm")
WHERE_ASKED_FOR = {
    "probe_loss": {"rtol": 1e-5},
    "probe_effective_grad_norm": {"rtol": 1e-5},
    "spherical_sharpness": {"rtol": 1e-3},  # where its iteration stops
    "test_probability": {"atol": 1.5e-3},  # kept to three digits
}


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
        for quantity in MEASURED:
            values = one.values[quantity].numpy(), other.values[quantity].numpy()
            np.testing.assert_allclose(*values, rtol=10 * rtol)
        assert ("test_probability" in one.values) == bool(left.recipe.prediction_examples)
        for quantity, allowed in WHERE_ASKED_FOR.items():
            if quantity in one.values:
                values = one.values[quantity].double(), other.values[quantity].double()
                assert values[0].isfinite().all()
                np.testing.assert_allclose(*values, **allowed)


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


@pytest.mark.parametrize("name", ["mlp", "convnet"])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_coarser_arithmetic_is_near(precision, name):
    coarse, exact = trained(name, precision=precision), trained(name)
    assert coarse.n_replayed > 0
    one, other = records(coarse)[0], records(exact)[0]
    np.testing.assert_allclose(one[:, 0], other[:, 0], rtol=0.02)  # bf16 on a CPU: 0.005
    np.testing.assert_allclose(one[1, 1], other[1, 1], rtol=2e-3)  # bf16 on a CPU: 3e-4
    if precision == "bf16":  # tf32 is for large products
        assert abs(one[0, 0] / other[0, 0] - 1).max() > 1e-5


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


class Stopping:
    """Surroundings that ask to stop after some looks."""

    def __init__(self, n_looks):
        self.n_looks = n_looks

    @contextmanager
    def watching(self, description, *, total, done):
        yield self

    @property
    def stop_requested(self):
        return self.n_looks == 0

    def show(self, done, note):
        self.n_looks -= 1


@pytest.mark.parametrize("devices", [("cuda", "cpu"), ("cpu", "cuda")])
@pytest.mark.parametrize("name", ["mlp", "convnet with momentum"])
def test_a_checkpoint_goes_on_on_another_device(name, devices, tmp_path, monkeypatch):
    source, options = CASES[name]
    monkeypatch.setattr(train, "LOOK_SECONDS", 1e-9)  # a look after each step
    recipe = Recipe(data=source, batch_size=50, precision="float64", **options)
    momentum = 0.9 if "momentum" in name else 0.0
    runs = tuple(RunSpec(0.05, 1e-2, seed, N_STEPS, momentum=momentum) for seed in range(2))
    first, second = (
        train.Settings(eval_every=5, device=device, checkpoint=tmp_path / "checkpoint.pt")
        for device in devices
    )
    job = train.Job(recipe, runs)
    with pytest.raises(train.Interrupted, match="stopped at step "):
        train.train([job], first, Stopping(9))
    with pytest.warns(UserWarning, match="this training began on .* and goes on on "):
        resumed = train.train([job], second)
    whole = train.train([job], train.Settings(eval_every=5, device="cpu"))
    assert ", then " in resumed.attrs["device"]
    for quantity in ("train_loss", "weight_norm", "effective_grad_norm", "test_loss"):
        assert whole[quantity].notnull().all()
        np.testing.assert_allclose(resumed[quantity], whole[quantity], rtol=1e-5)


def monitored(device):
    """What a monitor records in an ordinary loop."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, bias=False),
            torch.nn.BatchNorm2d(8, eps=1e-12),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(8 * 6 * 6, 10),
        ).to(device, torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, eval_every=5)
    generator = torch.Generator().manual_seed(1)
    for _ in range(N_STEPS):
        images = torch.randn(40, 3, 8, 8, generator=generator, dtype=torch.float64)
        labels = torch.randint(10, (40,), generator=generator)
        loss = torch.nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.step(loss)
    assert monitor.reason == ""
    return monitor.dataset()


def test_a_monitor_records_on_a_gpu_what_it_does_on_a_cpu():
    gpu, cpu = monitored(GPU), monitored(CPU)
    assert cpu.sizes["step"] == N_STEPS
    assert [*gpu["layer"].values] == [*cpu["layer"].values]
    assert gpu["invariance"].item() == cpu["invariance"].item()
    for quantity in ("weight_norm", "effective_grad_norm", "angular_update", "train_loss"):
        assert cpu[quantity].notnull().all()
        np.testing.assert_allclose(gpu[quantity], cpu[quantity], rtol=1e-6)
    for quantity in ("layer_weight_norm", "channel_weight_norm", "channel_effective_grad_norm"):
        np.testing.assert_allclose(gpu[quantity], cpu[quantity], rtol=1e-6)
