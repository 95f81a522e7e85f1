"""The batched MLP with all weights trained against the same network as a module, run by run."""

import pytest
import torch

from empirical.data import sources
from empirical.networks import by_name
from empirical.networks.any_module import ModuleNetwork
from empirical.networks.mlp import AllTrainedMLP
from empirical.training.ensemble import Ensemble
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

DIGITS = sources.load("digits")
CPU = torch.device("cpu")
MODELS = ["mlp-24-16-8", "mlp-7-5", "mlp-9"]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def networks(model):
    """The batched network, and the module that it must agree with; an epsilon that is felt."""
    recipe = Recipe(model=model, trained="all", norm_eps=1e-2)
    batched = by_name.build(recipe, DIGITS)
    assert isinstance(batched, AllTrainedMLP)
    example = by_name.module(recipe, DIGITS)
    matrices = [name for name, weight in example.named_parameters() if weight.ndim > 1]
    return batched, ModuleNetwork(lambda: by_name.module(recipe, DIGITS), matrices[:-1])


def inputs(network, dtype, n_runs=3):
    """Leaves whose affine parameters have left 1 and 0, nothing frozen, images and labels."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.stack([network.initialise(generator)[0] for _ in range(n_runs)]).to(dtype)
    weights += 0.1 * torch.randn(weights.shape, generator=generator)
    chosen = torch.randint(len(DIGITS.train_labels), (n_runs, 60), generator=generator)
    images = DIGITS.normalise(DIGITS.train_images).to(dtype)[chosen]
    leaves = network.layers.split(weights)
    return leaves, weights.new_empty(n_runs, 0), images, DIGITS.train_labels[chosen]


def assert_near(found, expected):
    """Equal to rounding, relative to the largest entry."""
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < TOLERANCE[expected.dtype]


@pytest.mark.parametrize("model", MODELS)
def test_layers_and_initial_weights_are_those_of_the_module(model):
    batched, module = networks(model)
    assert batched.layers == module.layers
    assert batched.invariant == module.invariant
    assert all(name.endswith(".weight") for name in batched.invariant.names)
    for seed in range(3):
        ours = batched.initialise(torch.Generator().manual_seed(seed))
        theirs = module.initialise(torch.Generator().manual_seed(seed))
        assert torch.equal(ours[0], theirs[0])
        assert len(ours[1]) == len(theirs[1]) == 0


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("model", MODELS)
def test_losses_and_gradients_are_those_of_the_module(model, dtype):
    both = [network.to(CPU, dtype) for network in networks(model)]
    given = inputs(both[0], dtype)
    out = [torch.empty(3, both[0].layers.n_weights, dtype=dtype) for _ in both]
    ours, theirs = (n.gradients(*given, out=into) for n, into in zip(both, out, strict=True))
    assert_near(ours, theirs)
    assert_near(both[0].losses(*given), theirs)
    for part, expected in zip(*map(both[0].layers.split, out), strict=True):
        assert_near(part, expected)


@pytest.mark.parametrize("model", MODELS)
def test_second_derivatives_are_those_of_the_module(model):
    both = [network.to(CPU, torch.float64) for network in networks(model)]
    leaves, *rest = inputs(both[0], torch.float64)
    products = []
    for network in both:
        own = [leaf.clone().requires_grad_() for leaf in leaves]
        slopes = torch.autograd.grad(network.losses(own, *rest).sum(), own, create_graph=True)
        pairs = zip(slopes, leaves, strict=True)
        directional = sum((slope * leaf.cos()).sum() for slope, leaf in pairs)
        products.append(torch.autograd.grad(directional, own))
    for ours, theirs in zip(*products, strict=True):
        error = (ours - theirs).abs().max() / theirs.abs().max()
        assert error < 1e-11


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_test_logits_are_those_of_the_module(dtype):
    both = [network.to(CPU, dtype) for network in networks("mlp-24-16-8")]
    leaves, frozen, *_ = inputs(both[0], dtype)
    images = DIGITS.normalise(DIGITS.train_images).to(dtype)
    population, test = images[:700], images[700:900]
    ours, theirs = (n.test_logits(leaves, frozen, population, test) for n in both)
    assert ours.shape == (3, 10, 200)
    assert_near(ours, theirs)


@pytest.mark.parametrize("model", MODELS)
def test_together_equals_alone_bit_for_bit(model):
    recipe = Recipe(model=model, trained="all")
    runs = [RunSpec(0.5 / (1 + seed), 1e-2, seed, 30, momentum=0.5) for seed in range(3)]

    def trained(some):
        trainer = Ensemble(
            some, recipe, by_name.build(recipe, DIGITS), DIGITS, eval_every=20, device=CPU
        )
        while not trainer.done:
            trainer.advance(30)
        return trainer

    together = trained(runs)
    for row, run in enumerate(runs):
        alone = trained([run])
        assert torch.equal(together.records[0].values[..., row], alone.records[0].values[..., 0])
        for many, one in zip(together.evaluations, alone.evaluations, strict=True):
            for name, values in one.values.items():
                assert torch.equal(many.values[name][row], values[0])
