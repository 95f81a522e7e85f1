"""What the monitor costs in an ordinary training loop, against the same loop without it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
from scoreboard import show
from timing import alternate, table

from empirical.data import sources
from empirical.invariance.search import scale_invariant_parameters
from empirical.monitor.monitor import Monitor
from empirical.networks import architectures

ROUNDS = 15


def train(make, inputs, labels, n_steps, batch_size, **options):
    """A plain loop; with options, a monitored one."""
    torch.manual_seed(0)
    network = make()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=1e-3)
    names = [name for name, weight in network.named_parameters() if weight.requires_grad]
    monitor = Monitor(network, optimizer, parameters=names, **options) if options else None
    for batch in torch.randint(len(labels), (n_steps, batch_size)):
        loss = F.cross_entropy(network(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            monitor.step(loss)
    return monitor


def compare(name, make, inputs, labels, *, n_steps, batch_size):
    """Ratio of a loop that is monitored on every step to the plain one, from loops in turn."""

    def loop(**options):
        return lambda: train(make, inputs, labels, n_steps, batch_size, **options)

    candidates = {
        "plain": loop(),
        "every step": loop(every=1),
        "every 10th step": loop(every=10),
    }
    seconds = alternate(candidates, rounds=ROUNDS)
    rows = [("plain loop", f"{1e3 * seconds['plain'] / n_steps:.3f} ms per step")]
    for way in list(candidates)[1:]:
        rows.append((f"monitored, {way} / plain", f"{seconds[way] / seconds['plain']:.3f}"))
    print(table(f"monitor: {name}, batch {batch_size}", rows))
    return f"{name}: monitored over plain loop", seconds["every step"] / seconds["plain"]


def search(name, make, inputs):
    """Median time that finding the scale-invariant weights takes."""
    network = make()
    seconds = alternate({"search": lambda: scale_invariant_parameters(network, inputs)}, rounds=5)
    title = f"monitor: search for scale-invariant weights of {name}, batch {len(inputs)}"
    print(table(title, [("once, before the first step", f"{seconds['search']:.2f} s")]))
    return f"{name}: search for invariant weights", seconds["search"]


def rows():
    """What is asked of the monitor, as soon as it is measured."""
    digits = sources.load("digits")
    pixels = digits.normalise(digits.train_images).flatten(1)
    yield compare(
        "digits MLP",
        lambda: architectures.mlp((64, 64, 64, 10)),
        pixels,
        digits.train_labels,
        n_steps=400,
        batch_size=128,
    )
    images, labels = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
    yield compare(
        "ConvNet c=32",
        lambda: architectures.convnet(32, (3, 32, 32), 10),
        images,
        labels,
        n_steps=4,
        batch_size=32,
    )
    yield search("ResNet-18", lambda: torchvision.models.resnet18(num_classes=10), images)


if __name__ == "__main__":
    show(rows())
