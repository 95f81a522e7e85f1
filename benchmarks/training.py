"""Networks trained by Sawtooth against a plain PyTorch loop; ratios of medians within one run.

    python benchmarks/training.py

Candidates take turns, each going on from where it was, so that what is done once (drawing weights,
the evaluation of step 0, recording a CUDA graph) is not in the numbers.
"""

from __future__ import annotations

import math
import re
import time

import torch
import torch.nn.functional as F
from scoreboard import show
from targets import ARITHMETIC, on_gpu
from timing import alternate, table

from compare.published import values
from empirical.data import sources
from empirical.device import machine, precision
from empirical.networks import by_name
from empirical.training.ensemble import Ensemble
from empirical.training.parallel_ensembles import Fleet
from empirical.training.recipe import Recipe
from empirical.training.sgd import SGD
from empirical.training.train import choose_device
from theory.trajectory import RunSpec

N_RUNS, MLP_STEPS, ROUNDS = 16, 100, 7
# FLOP/s of dense products, as data sheets give them, without sparsity. Not of PCIe and NVL cards.
PEAKS = {
    r"\b(H100|H200)\b(?!.*(PCIe|NVL))": {"float32": 66.9e12, "tf32": 494.7e12, "bf16": 989.4e12},
    r"\bA100\b(?!.*PCIe)": {"float32": 19.5e12, "tf32": 156e12, "bf16": 312e12},
}
CIFAR_SIZE = 50_000
DEVICE = choose_device("auto")
ON_GPU = DEVICE.type == "cuda"


class Unrecorded(SGD):
    """Moves the weights in the same way and measures nothing."""

    general = False
    recorded = ()

    @torch.no_grad()
    def step(self, rate):
        return self._move(self.norm, self.norm, rate)


class Silent(Ensemble):
    optimizer = Unrecorded


class Plain:
    """What one would write: data on the device, one network, nothing kept but the loss."""

    def __init__(self, run, recipe, images):
        torch.manual_seed(run.seed)
        self.recipe, self.n_steps_per_epoch = recipe, len(images.train_labels) // recipe.batch_size
        self.inputs = images.normalise(images.train_images.to(DEVICE))
        self.labels = images.train_labels.to(DEVICE)
        self.network = by_name.module(recipe, images).to(DEVICE, memory_format=torch.channels_last)
        if images.image_shape[0] > 1:
            self.inputs = self.inputs.contiguous(memory_format=torch.channels_last)
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(
            trained, lr=run.learning_rate, weight_decay=run.weight_decay
        )
        self.step = 0

    def advance(self, n_steps):
        losses = []
        for _ in range(n_steps):
            batch = self.step % self.n_steps_per_epoch
            if batch == 0:
                self.order = torch.randperm(len(self.labels), device=DEVICE)
            chosen = self.order[batch * self.recipe.batch_size :][: self.recipe.batch_size]
            self.optimizer.zero_grad()
            with precision.of(self.recipe.precision, DEVICE):
                logits = self.network(self.inputs[chosen])
                loss = F.cross_entropy(logits, self.labels[chosen])
                loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
            self.step += 1
        return torch.stack(losses).cpu()


def trainer(runs, recipe, images, *, kind=Ensemble, graphs=True, n_groups=1):
    """Networks that have done their first step."""

    def build(some):
        network = by_name.build(recipe, images)
        return kind(some, recipe, network, images, eval_every=10**9, device=DEVICE, graphs=graphs)

    fleet = Fleet(runs, build, n_groups=n_groups)
    if kind is Silent:
        for ensemble in fleet.ensembles:
            ensemble.store = lambda record: None
    fleet.advance(1)
    return fleet


def flops_per_step(recipe, images):
    """Multiplications and additions of all convolutions and products, forwards and backwards.

    Three times those of the forward pass, but for the first layer, which needs no gradient of its
    inputs, and a frozen one, which needs none of its weights.
    """
    counts = []

    def count(layer, inputs, output):
        n_places = output.numel() // layer.weight.shape[0]
        counts.append((2 * layer.weight.numel() * n_places, layer.weight.requires_grad))

    network = by_name.module(recipe, images)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(images.normalise(images.train_images[: recipe.batch_size]))
    return sum(n * (2 if i == 0 or not trained else 3) for i, (n, trained) in enumerate(counts))


def peaks(name):
    """FLOP/s that a device can do: the best measured here, and that of its data sheet."""
    found = {"the best here": max(large_product(name), large_convolution(name))}
    for cards, known in PEAKS.items():
        if re.search(cards, machine.describe(DEVICE)):
            found["the data sheet"] = known[name]
    return found


def large_product(name):
    """FLOP/s of a large matrix product."""
    side = 8192 if ON_GPU else 2048
    left, right = (torch.randn(side, side, device=DEVICE, dtype=type_of(name)) for _ in range(2))
    return 2 * side**3 / seconds_of(name, lambda: left @ right)


def large_convolution(name):
    """FLOP/s of a 3x3 convolution over many channels, as in the networks."""
    channels, side, batch = 256, 16, 1024 if ON_GPU else 64
    kernel = torch.randn(channels, channels, 3, 3, device=DEVICE, dtype=type_of(name))
    images = torch.randn(batch, channels, side, side, device=DEVICE, dtype=type_of(name))
    kernel, images = (one.contiguous(memory_format=torch.channels_last) for one in (kernel, images))
    flops = 2 * kernel.numel() * batch * side**2
    return flops / seconds_of(name, lambda: F.conv2d(images, kernel, padding=1))


def type_of(name):
    """Type of what is multiplied in some arithmetic, so that the time holds no conversion."""
    return torch.bfloat16 if name == "bf16" else precision.dtype(name)


@torch.no_grad()
def seconds_of(name, compute):
    """Shortest time of a computation in some arithmetic, waiting for the device."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with precision.of(name, DEVICE):
            product = compute()
            product[(0,) * product.ndim].item()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def digits_mlps():
    """Many small networks: yields what training them together gains, and what recording costs."""
    images, recipe = sources.load("digits"), Recipe(model="mlp-64-64", data="digits")
    n_steps = (ROUNDS + 2) * MLP_STEPS
    runs = [RunSpec(0.5, 2e-3, seed, n_steps) for seed in range(N_RUNS)]
    n_groups = 1 if ON_GPU else torch.get_num_threads()
    together = trainer(runs, recipe, images, n_groups=n_groups)
    silent = trainer(runs, recipe, images, n_groups=n_groups, kind=Silent)
    alone = [trainer([run], recipe, images) for run in runs]
    plain = [Plain(run, recipe, images) for run in runs]
    seconds = alternate(
        {
            "together": lambda: together.advance(MLP_STEPS),
            "together, nothing recorded": lambda: silent.advance(MLP_STEPS),
            "one after another": lambda: [one.advance(MLP_STEPS) for one in alone],
            "plain PyTorch loop": lambda: [one.advance(MLP_STEPS) for one in plain],
        },
        rounds=ROUNDS,
    )
    first, without, one, loop = seconds.values()
    rows = [
        (name, f"{1e3 * value / (N_RUNS * MLP_STEPS):.3f} ms per network-step")
        for name, value in seconds.items()
    ]
    rows += [
        ("one after another / together", f"{one / first:.2f}"),
        ("plain PyTorch loop / together", f"{loop / first:.2f}"),
        ("recording / not", f"{first / without:.2f}"),
    ]
    print(table(f"training: {N_RUNS} digits MLPs, every step recorded", rows))
    yield f"{N_RUNS} digits MLPs: runs/s together over one by one", one / first
    yield f"{N_RUNS} digits MLPs: recording over not", first / without


def convnet(name, *, width, batch, n_steps, rates=(0.03,)):
    """Convolutional networks in some arithmetic: all rates together, or one after another.

    Yields what is asked of them.
    """
    images = sources.fake(CIFAR_SIZE if ON_GPU else 2048)
    recipe = Recipe(model=f"convnet-{width}", data="fake", batch_size=batch, precision=name)
    runs = [RunSpec(rate, 1e-3, 0, (ROUNDS + 2) * n_steps) for rate in rates]
    groups = {"n_groups": 1 if ON_GPU else min(len(runs), torch.get_num_threads())}
    together = {
        "sawtooth": trainer(runs, recipe, images, **groups),
        "sawtooth, nothing recorded": trainer(runs, recipe, images, kind=Silent, **groups),
    }
    if ON_GPU:
        together["sawtooth, no CUDA graphs"] = trainer(runs, recipe, images, graphs=False)
    plain = [Plain(run, recipe, images) for run in runs]
    seconds = alternate(
        {key: lambda one=one: one.advance(n_steps) for key, one in together.items()}
        | {"plain PyTorch loop": lambda: [one.advance(n_steps) for one in plain]},
        rounds=ROUNDS,
    )
    flops, most = flops_per_step(recipe, images), peaks(name)
    rows = [
        (key, speed_text(len(runs) * n_steps / value, flops, batch, most))
        for key, value in seconds.items()
    ]
    ours, without, loop = (seconds[key] for key in (*list(together)[:2], "plain PyTorch loop"))
    rows += [
        ("plain PyTorch loop / sawtooth", f"{loop / ours:.2f}"),
        ("recording / not", f"{ours / without:.2f}"),
    ]
    if len(runs) > 1:
        minutes = ours / n_steps * values.EPOCHS * values.STEPS_PER_EPOCH / 60
        text = f"{minutes:.4g} minutes for {values.EPOCHS} epochs of all, at this speed"
        rows.append(("the published figure", text))
    networks = f"{len(runs)} ConvNets" if len(runs) > 1 else "ConvNet"
    print(table(f"training: {networks} c={width}, batch {batch}, {name}", rows))
    if not ON_GPU:
        yield f"{networks} c={width}: recording over not", ours / without
    elif len(runs) == 1:
        yield on_gpu(name), loop / ours


def speed_text(speed, flops, batch, most):
    """Steps per second, of all networks together, and what the device did for them."""
    epochs = speed / math.ceil(CIFAR_SIZE / batch)
    shares = "".join(f", {100 * flops * speed / known:.0f} % of {of}" for of, known in most.items())
    rate = f"{flops * speed / 1e9:.4g} GFLOP/s"
    return f"{speed:.4g} network-steps/s, {epochs:.3g} epochs/s, {rate}{shares}"


def rows():
    """What is asked of training, as soon as it is measured."""
    print(f"{machine.describe(DEVICE)}; an epoch is that of {CIFAR_SIZE} images")
    yield from digits_mlps()
    if not ON_GPU:
        yield from convnet("float32", width=8, batch=64, n_steps=10)
        yield from convnet("float32", width=32, batch=128, n_steps=1, rates=values.PERIODS)
        yield from ((on_gpu(name), "needs a GPU") for name in ARITHMETIC)
        return
    for name in ARITHMETIC:
        yield from convnet(name, width=32, batch=128, n_steps=400)
    for name in ("float32", "tf32"):
        yield from convnet(name, width=32, batch=128, n_steps=100, rates=values.PERIODS)


if __name__ == "__main__":
    show(rows())
