"""The kernel on a CPU against torch's operations, and its scalars against plain vectors."""

import numpy as np
import pytest
import torch

from empirical.networks.weight_layout import Layout
from empirical.training.recipe import Recipe
from empirical.training.sgd import SGD
from theory.trajectory import RunSpec

N_INVARIANT, N_OTHERS, RATE = 333, 21, 0.5
CASES = {
    "plain": ({}, 0.0, 1e-2),
    "momentum": ({}, 0.9, 1e-2),
    "clip": ({"clip": 1e-2}, 0.0, 1e-2),
    "both": ({"clip": 1e-2}, 0.9, 1e-2),
    "sphere": ({"fixed_norm": True}, 0.0, 0.0),
}


class ByTorch(SGD):
    fused = False


def stepped(kind, case, dtype, n_steps=3):
    """Weights before and after a last step, its gradient and its scalars, of two runs."""
    changes, momentum, decay = CASES[case]
    numbers = torch.Generator().manual_seed(0)
    shape = 2, N_INVARIANT + N_OTHERS
    weights = torch.randn(shape, generator=numbers, dtype=torch.float64).to(dtype)
    sgd = kind(
        [RunSpec(RATE, decay, seed, n_steps, momentum=momentum) for seed in range(2)],
        Recipe(**changes),
        Layout(("layer",), ((N_INVARIANT,),)),
        weights,
        sphere_norm=weights[:, :N_INVARIANT].double().norm(dim=1),
        momentum_buffer=torch.zeros_like(weights) if momentum else None,
    )
    for _ in range(n_steps):
        gradient = torch.randn(shape, generator=numbers, dtype=torch.float64) / 10
        sgd.gradient.copy_(gradient)
        before = weights.clone()
        scalars = torch.stack(sgd.step(torch.full((2, 1), RATE, dtype=dtype)))
    return before, weights, sgd.gradient, scalars


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_is_torch_s_step(case):
    _, by_torch, _, expected = stepped(ByTorch, case, torch.float64)
    _, fused, _, found = stepped(SGD, case, torch.float64)
    torch.testing.assert_close(fused, by_torch, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_plain_steps_are_torch_s_bit_for_bit():
    one, other = (stepped(kind, "plain", torch.float32)[1] for kind in (SGD, ByTorch))
    assert torch.equal(one, other)


@pytest.mark.parametrize("case", ["plain", "momentum"])
def test_sums_over_float32_are_exact_in_float64(case):
    *vectors, scalars = stepped(SGD, case, torch.float32)
    before, after, gradient = (v[1, :N_INVARIANT].double().numpy() for v in vectors)
    rho = np.linalg.norm(before)
    angle = 2 * np.arcsin(np.linalg.norm(before / rho - after / np.linalg.norm(after)) / 2)
    expected = [rho, rho * np.linalg.norm(gradient), angle]
    np.testing.assert_allclose(scalars[:3, 1], expected, rtol=1e-12)
