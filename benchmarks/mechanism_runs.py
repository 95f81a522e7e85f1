"""Small networks whose loss spikes for a known reason: one function a mechanism, one run a seed.

Every seed draws its own learning rate, width, batch size and so on. A run is its log: columns by
name, where a number stands for a constant column.
"""

import itertools
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

Log = dict[str, Any]
COLUMNS = ("step", "loss", "lr", "weight_norm", "grad_norm", "last_layer_norm")


def sawtooth(seed: int) -> Log:
    """A normalised network with weight decay (2106.15739); every third seed with momentum."""
    draw = np.random.default_rng([seed, 1])
    images, labels = digits(seed, 1400)
    decay, width = draw.uniform(2.5e-3, 1.5e-2), int(draw.choice([32, 48, 64]))
    batch = int(draw.choice([64, 128, 256]))
    net = normalised(width, seed)
    weights = [layer.weight for layer in net if isinstance(layer, nn.Linear)][:-1]
    momentum = float(draw.choice([0.5, 0.8, 0.9])) if seed % 3 == 0 else 0.0
    rate = draw.uniform(0.2, 0.8) * (1 - momentum)
    optimizer = torch.optim.SGD(
        weights, rate, weight_decay=(1 - momentum) * decay / rate, momentum=momentum
    )
    steps = int(min(6000, max(2500, 20 / decay)))
    return train(net, optimizer, cross_entropy(net, images, labels), 1400, batch, steps, seed)


def epoch(seed: int) -> Log:
    """Random labels, learnt by heart from reshuffled small batches with Adam (2410.10056)."""
    draw = np.random.default_rng([seed, 2])
    n, batch = int(draw.integers(400, 1000)), int(draw.choice([8, 12, 16]))
    images, labels = digits(seed, n)
    labels = labels[torch.from_numpy(draw.permutation(n))]
    net = plain([64, int(draw.choice([128, 192, 256])), 10], seed, nn.ReLU)
    betas = (0.9, float(draw.choice([0.9, 0.95, 0.98, 0.999])))
    optimizer = torch.optim.Adam(net.parameters(), draw.uniform(2e-3, 5e-3), betas=betas)
    steps = n // batch * int(draw.integers(30, 50))
    return train(net, optimizer, cross_entropy(net, images, labels), n, batch, steps, seed)


def slingshot(seed: int) -> Log:
    """Adam without decay on all data, far beyond a perfect fit (2206.04817)."""
    draw = np.random.default_rng([seed, 3])
    n, width = int(draw.integers(100, 250)), int(draw.choice([48, 64]))
    images, labels = digits(seed, n)
    net = plain([64, width, width, width, 10], seed, nn.ReLU)
    betas = (0.9, float(draw.choice([0.95, 0.98, 0.99])))
    optimizer = torch.optim.Adam(net.parameters(), draw.uniform(1e-3, 3e-3), betas=betas)
    return train(net, optimizer, cross_entropy(net, images, labels), n, n, 10_000, seed)


def lagging(seed: int) -> Log:
    """A function of one variable, fitted by Adam with a long second moment (2506.04805)."""
    draw = np.random.default_rng([seed, 4])
    n, width = int(draw.integers(40, 80)), int(draw.choice([20, 40, 60]))
    x = torch.linspace(-1, 1, n)[:, None]
    slow, fast = draw.uniform(3, 6), draw.uniform(8, 12)
    y = torch.sin(slow * x) + 0.5 * torch.sin(fast * x)
    net = plain([1, width, width, 1], seed, nn.Tanh)
    betas = (0.9, float(draw.choice([0.999, 0.9995])))
    optimizer = torch.optim.Adam(net.parameters(), draw.uniform(0.01, 0.02), betas=betas)
    return train(net, optimizer, squared_error(net, x, y), n, n, 8000, seed)


def edge(seed: int) -> Log:
    """Gradient descent on all data, until the curvature has grown to 2/eta (2209.15594)."""
    draw = np.random.default_rng([seed, 5])
    n, width = int(draw.integers(200, 500)), int(draw.choice([32, 64, 96]))
    images, labels = digits(seed, n)
    targets = nn.functional.one_hot(labels, 10).float()
    net = plain([64, width, width, 10], seed, nn.Tanh)
    optimizer = torch.optim.SGD(net.parameters(), draw.uniform(0.05, 0.2))
    return train(net, optimizer, squared_error(net, images, targets), n, n, 4000, seed)


def none(seed: int) -> Log:
    """Noisy training: nothing more, or bad batches at random times, or restarts of the rate."""
    draw, kind = np.random.default_rng([seed, 6]), seed % 3
    images, labels = digits(seed, 1400)
    noisy = torch.from_numpy(draw.random(1400) < 0.1)
    labels = torch.where(noisy, torch.from_numpy(draw.integers(0, 10, 1400)), labels)
    net = plain([64, int(draw.choice([16, 32, 64])), 10], seed, nn.ReLU)
    rate, steps = draw.uniform(0.01, 0.1), int(draw.integers(3000, 6000))
    batch = int(draw.choice([64, 128, 256] if kind == 2 else [16, 32, 64]))
    optimizer = torch.optim.SGD(
        net.parameters(),
        rate,
        momentum=0.9 * (kind == 0),
        weight_decay=draw.choice([0, 1e-4, 5e-4]),
    )
    worse, schedule = np.ones(steps), np.full(steps, rate)
    if kind == 1:
        worse[draw.integers(200, steps, draw.integers(8, 20))] = draw.uniform(5, 40)
    if kind == 2:
        cycle = int(draw.integers(250, 600))
        schedule *= 1e-3 + 3 * (1 + np.cos(np.pi * (np.arange(steps) % cycle) / cycle))
    loss = cross_entropy(net, images, labels)
    return train(net, optimizer, loss, 1400, batch, steps, seed, worse=worse, schedule=schedule)


def short(seed: int) -> Log:
    """The first steps of a run of one of the others."""
    log = (sawtooth, epoch, slingshot, lagging, edge, none)[seed % 6](seed)
    n = int(np.random.default_rng([seed, 7]).integers(15, 80))
    return {name: v[:n] if isinstance(v, np.ndarray) else v for name, v in log.items()}


def digits(seed: int, n: int):
    """Some of scikit-learn's digits, from -1 to 1, and their labels."""
    data = load_digits()
    chosen = np.random.default_rng([seed, 0]).permutation(len(data.target))[:n]
    images = torch.from_numpy(data.data[chosen] / 8 - 1).float()
    return images, torch.from_numpy(data.target[chosen]).long()


def plain(widths, seed, activation):
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def normalised(width, seed):
    """Scale-invariant layers below a frozen last one of norm 10, as in 2106.15739."""
    torch.manual_seed(seed)
    layers = []
    for inputs in (64, width):
        norm = nn.BatchNorm1d(width, eps=1e-12, affine=False)
        layers += [nn.Linear(inputs, width, bias=False), norm, nn.ReLU()]
    last = nn.Linear(width, 10).requires_grad_(False)
    last.weight *= 10 / last.weight.norm()
    return nn.Sequential(*layers, last)


def cross_entropy(net, images, labels):
    return lambda rows: nn.functional.cross_entropy(net(images[rows]), labels[rows])


def squared_error(net, inputs, targets):
    return lambda rows: ((net(inputs[rows]) - targets[rows]) ** 2).sum(1).mean()


def train(net, optimizer, loss_of, n, batch, steps, seed, *, worse=None, schedule=None) -> Log:
    """Train with reshuffled batches and log every step; ``worse`` multiplies a step's loss."""
    generator = torch.Generator().manual_seed(seed)
    (group,), last, per_epoch = optimizer.param_groups, net[-1].weight, n // batch
    rows = np.empty((steps, len(COLUMNS)))
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(n, generator=generator)
        chosen = order[step % per_epoch * batch :][:batch]
        group["lr"] = group["lr"] if schedule is None else schedule[step]
        optimizer.zero_grad()
        loss = loss_of(chosen) * (1 if worse is None else worse[step])
        loss.backward()
        norms = [
            norm_of(group["params"]),
            norm_of([w.grad for w in group["params"]]),
            norm_of([last]),
        ]
        rows[step] = (step, loss.item(), group["lr"], *norms)
        optimizer.step()
    log: Log = dict(zip(COLUMNS, rows.T, strict=True))
    log |= {"wd": group["weight_decay"], "steps_per_epoch": per_epoch}
    log |= {"optimizer": type(optimizer).__name__.lower(), "momentum": group.get("momentum", 0.0)}
    return log | ({"beta2": group["betas"][1]} if "betas" in group else {})


def norm_of(tensors):
    """Norm of all together."""
    with torch.no_grad():
        return torch.stack(torch._foreach_norm(tensors)).norm().item()
