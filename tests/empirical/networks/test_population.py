"""Statistics of the population, over its batches, with which test images are classified."""

import pytest
import torch
from torch import nn

from empirical.data import sources
from empirical.networks import any_module, by_name
from empirical.networks.any_module import ModuleNetwork
from empirical.training.recipe import Recipe

META = torch.device("meta")
SIZES = [60, 60, 20]  # of the population's batches


class Shared(nn.Module):
    """Normalises so many layers in one place."""

    def __init__(self, n_layers):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(12, 8) for _ in range(n_layers)])
        self.norm = nn.BatchNorm1d(8, affine=False)

    def forward(self, images):
        flat = images.flatten(1)
        return sum(self.norm(layer(flat)) for layer in self.layers)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_statistics_are_means_over_all_batches(n_layers, monkeypatch):
    monkeypatch.setattr(any_module, "EVALUATION_BATCH", SIZES[0])
    network = ModuleNetwork(lambda: Shared(n_layers), ["layers.0.weight"])
    network.to(torch.device("cpu"), torch.float64)
    generator = torch.Generator().manual_seed(1)
    rows, frozen = (part[None].double() for part in network.initialise(generator))
    population = torch.randn(sum(SIZES), 3, 2, 2, generator=generator, dtype=torch.float64)
    leaves = network.layers.split(rows)
    for _ in range(2):  # of an earlier evaluation nothing is left
        network.test_logits(leaves, frozen, population, population[:5])
    own = {name: leaf[0] for name, leaf in zip(network.layers.names, leaves, strict=True)}
    outputs = [
        batch.flatten(1) @ own[f"layers.{i}.weight"].T + own[f"layers.{i}.bias"]
        for batch in population.split(SIZES)
        for i in range(n_layers)
    ]
    mean = torch.stack([one.mean(0) for one in outputs]).mean(0)
    variance = torch.stack([one.var(0) for one in outputs]).mean(0)
    torch.testing.assert_close(network.evaluation.norm.running_mean, mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(network.evaluation.norm.running_var, variance, rtol=1e-12, atol=0)


@pytest.mark.parametrize("model", ["convnet-4", "resnet18-4"])
def test_no_batch_waits_for_the_device(model):
    """On tensors that have no values, of which none can be read."""
    network = by_name.build(Recipe(model=model), sources.load("fake:40")).to(META, torch.float32)
    rows = torch.empty(2, network.layers.n_weights, device=META)
    frozen = torch.empty(2, network.frozen.n_weights, device=META)
    images = torch.empty(600, 3, 32, 32, device=META)
    logits = network.test_logits(network.layers.split(rows), frozen, images, images[:7])
    assert logits.device == META
    assert logits.shape == (2, 10, 7)
