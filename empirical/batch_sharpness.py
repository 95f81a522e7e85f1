r"""Batch sharpness: the curvature of a batch's loss along the batch's own gradient.

    BS = E_B[ g_B' H_B g_B / |g_B|^2 ],

with gradient and Hessian of the loss of one batch B. Descent on batches is stable in the mean about
where ``elr BS < 2``, as descent on all examples is where ``elr S < 2``. For a scale-invariant loss
the gradient is tangent to the sphere and the Hessian homogeneous of degree -2, so ``rho^2 g' H g /
|g|^2`` is that of the unit sphere.

Source: Andreyev, Beneventano 2024 (arXiv 2412.20553), edge of stochastic stability.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def batch_sharpness(losses: Callable[[Tensor], Tensor], weights: Tensor) -> Tensor:
    """Curvature along the gradient on the unit sphere, of one batch of each run.

    Means over batches are the caller's. One product with the Hessian, by differentiating twice.

    Args:
        losses: maps weights (n_runs, n_weights) to the losses of the runs' batches, (n_runs,);
            twice differentiable, each a scale-invariant function of its own row.
        weights: w, flat, (n_runs, n_weights).

    Returns:
        ``rho^2 g' H g / |g|^2``, float64, (n_runs,); NaN where the gradient is zero.
    """
    variable = weights.detach().clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(losses(variable).sum(), variable, create_graph=True)
        along = gradient.detach()
        (image,) = torch.autograd.grad((gradient * along).sum(), variable)
    squared_norm = weights.detach().double().square().sum(dim=1)
    curvature = (image.double() * along).sum(dim=1)
    return squared_norm * curvature / along.double().square().sum(dim=1)
