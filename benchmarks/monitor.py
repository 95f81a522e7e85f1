"""What the monitor costs in an ordinary training loop, against the same loop without it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
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


def compare(title, make, inputs, labels, *, n_steps, batch_size):
    """Medians of loops that take turns, as ratios to the plain one."""

    def loop(**options):
        return lambda: train(make, inputs, labels, n_steps, batch_size, **options)

    candidates = {
        "plain": loop(),
        "every step": loop(every=1),
        "every 10th step": loop(every=10),
    }
    seconds = alternate(candidates, rounds=ROUNDS)
    rows = [("plain loop", f"{1e3 * seconds['plain'] / n_steps:.3f} ms per step")]
    for name in list(candidates)[1:]:
        rows.append((f"monitored, {name} / plain", f"{seconds[name] / seconds['plain']:.3f}"))
    print(table(title, rows))


def search(title, make, inputs):
    """Median time that finding the scale-invariant weights takes."""
    network = make()
    seconds = alternate({"search": lambda: scale_invariant_parameters(network, inputs)}, rounds=5)
    print(table(title, [("once, before the first step", f"{seconds['search']:.2f} s")]))


def main():
    digits = sources.load("digits")
    pixels = digits.normalise(digits.train_images).flatten(1)
    compare(
        "monitor: digits MLP 64-64-64-10, batch 128",
        lambda: architectures.mlp((64, 64, 64, 10)),
        pixels,
        digits.train_labels,
        n_steps=400,
        batch_size=128,
    )
    images, labels = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
    compare(
        "monitor: ConvNet c=32, batch 32 of fake images",
        lambda: architectures.convnet(32, (3, 32, 32), 10),
        images,
        labels,
        n_steps=4,
        batch_size=32,
    )
    search(
        "monitor: search for scale-invariant weights, torchvision's ResNet-18, batch 32 of 32x32",
        lambda: torchvision.models.resnet18(num_classes=10),
        images,
    )


if __name__ == "__main__":
    main()
