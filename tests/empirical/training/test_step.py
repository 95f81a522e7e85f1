"""A step asks nothing of the host: shown without a GPU, on tensors that have no values."""

import contextlib
import functools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from empirical.data import sources
from empirical.device.cuda_graphs import WARM_UP, Replay
from empirical.networks import by_name
from empirical.training import sgd
from empirical.training.ensemble import Ensemble
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

CPU, META = torch.device("cpu"), torch.device("meta")
RECIPES = {
    "mlp": {"model": "mlp-16-16"},
    "momentum": {"model": "mlp-16-16", "augment": True, "keep_last_batch": True},
    "clip": {"model": "mlp-16-16", "clip": 1.5},
    "sphere": {"model": "mlp-16-16", "fixed_norm": True},
    "growing": {"model": "mlp-16-16", "schedule": "growing", "augment": True},
    "cosine": {"model": "mlp-16-16", "schedule": "cosine", "precision": "float64"},
    "full batch": {"model": "mlp-16-16", "full_batch": True},
    "all trained": {"model": "mlp-16-16", "trained": "all"},
    "module": {"model": "mlp-16-16", "normalised": False},
    "convnet": {"model": "convnet-2", "augment": True},
    "resnet18": {"model": "resnet18-2", "keep_last_batch": True},
}


@functools.cache
def images():
    return sources.load("fake:90")


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """Every step by torch's operations, which is what a GPU replays."""
    monkeypatch.setattr(sgd.SGD, "fused", False)


def ensemble(name, device=CPU, n_steps=1000):
    recipe = Recipe(**{"batch_size": 40} | RECIPES[name])
    rest = {"n_steps": n_steps, "momentum": 0.9 if name == "momentum" else 0.0}
    decay = 0.0 if name == "sphere" else 1e-2
    runs = [RunSpec(0.3 / (1 + seed), decay, seed=seed, **rest) for seed in range(2)]
    network = by_name.build(recipe, images())
    return Ensemble(runs, recipe, network, images(), eval_every=10_000, device=device)


class HostWork(TorchDispatchMode):
    """Collects operations that would wait for a GPU or bring values from the host to it."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift", "item", "equal")

    def __init__(self):
        super().__init__()
        self.found = []
        self.made, self.brought = {}, {}  # tensors by their storage, kept so that none is reused

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        indices = tree_leaves(args[1]) if name.startswith("index") and len(args) > 1 else []
        masks = [i for i in indices if getattr(i, "dtype", None) in (torch.bool, torch.uint8)]
        devices = [x.device for x in inputs] + [kwargs.get("device") or META]
        waits = any(name.startswith(bad) for bad in self.WAITING)
        if masks or waits or any(device != META for device in devices):
            self.found.append(f"{func} of {devices}")
        for x in inputs:
            if storage(x) not in self.made:
                self.brought[storage(x)] = x
        result = func(*args, **kwargs)
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and storage(x) not in self.brought:
                self.made[storage(x)] = x
                if x.device != META:
                    self.found.append(f"{func} makes a tensor on {x.device}")
        return result


def storage(tensor):
    return tensor.untyped_storage()._cdata


def host_work(work):
    """What a piece of work that is done twice asks of the host, or brings along anew."""
    with HostWork() as first:
        work()
    with HostWork() as second:
        work()
    anew = [x for key, x in second.brought.items() if key not in first.brought]
    return first.found + second.found + [f"{tuple(x.shape)} from the host" for x in anew]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_asks_nothing_of_the_host(name):
    trainer = ensemble(name, META)
    for size in {trainer.batches.size_at(step) for step in range(3)}:
        assert host_work(lambda size=size: trainer.one(size)) == []


VALUES = torch.empty(3, device=META)
FORBIDDEN = {
    "a list as index": lambda: VALUES[[0, 1]],
    "a constant tensor": lambda: VALUES * torch.tensor([1.0, 2.0, 3.0], device=META),
    "a tensor on the CPU": lambda: VALUES + torch.tensor(1.0),
    "a mask": lambda: VALUES[VALUES > 0],
    "a copy to the CPU": lambda: VALUES.to(CPU),
    "a copy from the CPU": lambda: VALUES.copy_(torch.ones(3)),
    "a number": lambda: VALUES.sum().item(),
    "a decision": lambda: bool(VALUES.sum()),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_collector_finds_what_it_looks_for(name):
    def ask():
        with contextlib.suppress(NotImplementedError, RuntimeError):
            FORBIDDEN[name]()

    assert host_work(ask) != []


class Tape(TorchDispatchMode):
    """Does what a CUDA graph does: records operations once, then repeats them on the same tensors.

    Whatever the host decides or counts between them is repeated as it was.
    """

    def __init__(self):
        super().__init__()
        self.operations = []
        self.n_replays = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def replay(self):
        self.n_replays += 1
        if self.n_replays == 1:
            return  # recording it did it once, unlike on a GPU
        made = {}

        def current(x):
            return made.get(id(x), x) if isinstance(x, torch.Tensor) else x

        for func, args, kwargs, result in self.operations:
            again = func(*tree_map(current, args), **tree_map(current, kwargs))
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and id(old) not in map(id, tree_leaves(args)):
                    made[id(old)] = new

    def reset(self):
        self.operations.clear()


class TapeRecorder:
    def __init__(self, waits=False):
        self.waits = waits
        self.n_aside = self.n_recorded = 0
        self.beside = []

    def aside(self, work):
        self.n_aside += 1
        work()

    def synchronises(self, work):
        if not self.waits:
            work()
        return self.waits

    def record(self, work, beside):
        self.n_recorded += 1
        self.beside.append(beside)
        with Tape() as tape:
            work()
        return tape


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_step_repeats_the_numbers_bit_for_bit(name):
    plain, recorded = ensemble(name), ensemble(name)
    recorded.recorder = TapeRecorder()
    recorded._bind()
    for trainer in (plain, recorded):
        for n_steps in (5, 9):
            trainer.advance(n_steps)
    n_sizes = 2 if RECIPES[name].get("keep_last_batch") else 1
    assert recorded.recorder.n_recorded == n_sizes
    first, *others = recorded.recorder.beside
    assert first is None
    assert [type(one) for one in others] == [Tape] * (n_sizes - 1)  # one memory for all sizes
    assert recorded.n_replayed == 14 - n_sizes * WARM_UP
    assert torch.equal(recorded.weights, plain.weights)
    for one, other in zip(plain.records, recorded.records, strict=True):
        assert torch.equal(one.values, other.values)


@pytest.mark.slow
def test_a_step_is_recorded_anew_when_a_run_ends():
    plain, recorded = ensemble("convnet", n_steps=20), ensemble("convnet", n_steps=20)
    recorded.recorder = TapeRecorder()
    recorded._bind()
    for trainer in (plain, recorded):
        trainer.end[0] = 8
        while not trainer.done:
            trainer.advance(50)
    assert recorded.recorder.n_recorded == 2
    assert recorded.recorder.beside == [None, None]  # the first had let go of its memory
    for one, other in zip(plain.records, recorded.records, strict=True):
        assert torch.equal(one.values, other.values)


def test_a_function_that_waits_is_called_every_time():
    calls = []
    replay = Replay(calls.append, TapeRecorder(waits=True))
    for _ in range(8):
        replay(40)
    assert calls == [40] * 8
    assert replay.refused == "a step of this model waits for the device"
    assert replay.n_replayed == replay.recorder.n_recorded == 0


def test_without_a_recorder_a_function_is_called_every_time():
    calls = []
    replay = Replay(calls.append, None)
    for size in (40, 10, 40):
        replay(size)
    assert calls == [40, 10, 40]
    assert (replay.refused, replay.n_replayed) == ("", 0)


def test_norms_and_products_of_a_gpu_are_those_of_a_cpu():
    layout = by_name.build(Recipe(model="convnet-4"), images()).layers
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, layout.n_weights + 5, generator=generator).unbind()
    by_rows = sgd.norms(layout.split(left))
    at_once = sgd.norms_at_once(left, layout)
    torch.testing.assert_close(at_once, by_rows, rtol=1e-7, atol=0)
    expected = (left[:, :-5].double() * right[:, :-5].double()).sum(dim=1)
    torch.testing.assert_close(
        sgd.flat_products(left, right, layout), expected, rtol=1e-5, atol=1e-4
    )
    torch.testing.assert_close(sgd.products_at_once(left, right, layout), expected)


def test_a_chunk_is_drawn_like_its_steps_one_at_a_time():
    whole, parts = ensemble("momentum").batches, ensemble("momentum").batches
    drawn = whole.draw(0, 8, [0, 1])
    for step in range(8):
        one = parts.draw(step, step + 1, [0, 1])
        size = parts.size_at(step)
        assert size == (10 if step % 3 == 2 else 40)
        assert torch.equal(one.chosen[0, :, :size], drawn.chosen[step, :, :size])
        assert torch.equal(one.places[0, :, :size], drawn.places[step, :, :size])
    assert drawn.chosen[:3].flatten(1).shape == (3, 80)
    seen = torch.cat([drawn.chosen[step, 0, : parts.size_at(step)] for step in range(3)])
    assert torch.equal(seen.sort().values, torch.arange(90, dtype=torch.int32))
