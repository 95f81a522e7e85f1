"""Batch sharpness against explicit Hessians of small networks."""

import pytest
import torch
from torch.autograd.functional import hessian

from empirical.batch_sharpness import batch_sharpness
from empirical.data import sources
from empirical.networks import by_name
from empirical.training.recipe import Recipe

N_RUNS = 2


@pytest.fixture(scope="module")
def batches():
    """Losses of two networks on a batch each, and their weights."""
    images = sources.load("digits")
    network = by_name.build(Recipe(model="mlp-5-4", precision="float64"), images)
    drawn = [network.initialise(torch.Generator().manual_seed(seed)) for seed in range(N_RUNS)]
    weights, frozen = (torch.stack(parts).double() for parts in zip(*drawn, strict=True))
    chosen = torch.arange(120).view(N_RUNS, 60) * 11
    inputs = images.normalise(images.train_images).double()[chosen]
    labels = images.train_labels[chosen]

    def losses(flat):
        return network.losses(network.layers.split(flat), frozen, inputs, labels)

    return losses, weights


def test_is_the_curvature_along_the_gradient_on_the_unit_sphere(batches):
    losses, weights = batches
    found = batch_sharpness(losses, weights)
    for run in range(N_RUNS):

        def own(flat, run=run):
            return losses(torch.cat([weights[:run], flat[None], weights[run + 1 :]]))[run]

        on_sphere = weights[run] / weights[run].norm()
        variable = on_sphere.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(own(variable), variable)
        along = gradient / gradient.norm()
        expected = along @ hessian(own, on_sphere, vectorize=True) @ along
        assert float(found[run]) == pytest.approx(float(expected), rel=1e-8)


def test_does_not_depend_on_the_norm(batches):
    losses, weights = batches
    scaled = batch_sharpness(losses, 7.0 * weights)
    assert scaled.tolist() == pytest.approx(batch_sharpness(losses, weights).tolist(), rel=1e-8)


def test_is_the_top_curvature_of_a_quadratic_along_its_eigenvector():
    """Rayleigh quotient x'Dx/|x|^2 near its minimum: the gradient lies along one axis."""
    curvature = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0, 1e-6]], dtype=torch.float64)

    def losses(flat):
        return (curvature * flat**2).sum(dim=1) / (2 * (flat**2).sum(dim=1))

    assert float(batch_sharpness(losses, weights)) == pytest.approx(5.0, rel=1e-6)
