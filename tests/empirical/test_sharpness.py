"""Spherical sharpness against a full Hessian and closed forms."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian

from empirical.data import sources
from empirical.networks import by_name
from empirical.sharpness import spherical_sharpness
from empirical.training.recipe import Recipe


def network_loss(model, dtype=torch.float64):
    """A network's loss as a function of its flat weights, and weights to take it at."""
    images = sources.load("digits")
    network = by_name.build(Recipe(model=model, precision="float64"), images)
    network = network.to(torch.device("cpu"), dtype)
    weights, frozen = (part.to(dtype) for part in network.initialise(torch.Generator()))
    inputs, labels = images.normalise(images.train_images[:60]).to(dtype), images.train_labels[:60]

    def loss(flat):
        leaves = network.layers.split(flat[None])
        return network.losses(leaves, frozen[None], inputs[None], labels[None])[0]

    return loss, weights


@pytest.mark.parametrize("model", ["mlp-5-4", "mlp-3-3-3"])
def test_is_the_top_eigenvalue_of_the_full_hessian_on_the_sphere(model):
    loss, weights = network_loss(model)
    full = hessian(loss, weights, vectorize=True).numpy() * float(weights.norm()) ** 2
    radial = (weights / weights.norm()).numpy()
    projection = np.eye(len(radial)) - np.outer(radial, radial)
    expected = np.linalg.eigvalsh(projection @ full @ projection)[-1]
    found = spherical_sharpness(loss, weights)
    assert found.converged
    assert found.value == pytest.approx(expected, rel=1e-6)
    assert abs(found.direction @ radial) < 1e-9


def test_float32_finds_it_to_1e_4():
    expected = spherical_sharpness(*network_loss("mlp-16-16")).value
    assert spherical_sharpness(*network_loss("mlp-16-16", torch.float32)).value == pytest.approx(
        expected, rel=1e-4
    )


def test_does_not_depend_on_the_norm():
    loss, weights = network_loss("mlp-16-16")
    small, large = (spherical_sharpness(loss, c * weights).value for c in (0.5, 3))
    assert small == pytest.approx(large, rel=1e-5)


def test_rayleigh_quotient_at_its_minimum():
    """``w.A w/(2 |w|^2)`` at the lowest eigenvector has the Hessian ``A - a_1`` on the sphere."""
    spectrum = torch.arange(1.0, 9.0, dtype=torch.float64)
    weights = torch.zeros(8, dtype=torch.float64)
    weights[0] = 3

    def loss(w):
        return (spectrum * w * w).sum() / (2 * w @ w)

    assert spherical_sharpness(loss, weights).value == pytest.approx(7, rel=1e-9)


def test_an_iteration_cut_short_says_so():
    rng = np.random.default_rng(0)
    spectrum = torch.from_numpy(np.sort(1 + 1e-6 * rng.standard_normal(400)))
    weights = torch.from_numpy(rng.standard_normal(400))

    def loss(w):
        return (spectrum * w * w).sum() / (2 * w @ w)

    found = spherical_sharpness(loss, weights, max_restarts=1, tolerance=1e-12)
    assert not found.converged
    assert np.isnan(found.value)


def test_refuses_what_it_cannot_differentiate():
    with pytest.raises(ValueError, match="must be >= 3, got 2"):
        spherical_sharpness(torch.sum, torch.ones(2))
    with pytest.raises(ValueError, match="not finite"):
        spherical_sharpness(lambda w: (w - 1).sqrt().sum(), torch.ones(5))
