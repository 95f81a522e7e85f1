"""Spherical sharpness: the top eigenvalue of a loss's Hessian on the unit sphere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from theory import validate
from theory.arrays import FloatArray

START_SEED = 0
LANCZOS_VECTORS = 12
LARGEST_RESIDUAL = 1e-2  # the eigenvalue is off by the residual squared over the spectral gap


@dataclass(frozen=True)
class Sharpness:
    """What the iteration found.

    Attributes:
        value: top eigenvalue S of the Hessian on the unit sphere; full-batch descent is stable
            while ``elr S < 2``. NaN if the iteration did not converge.
        direction: its unit eigenvector, tangent to the sphere, (n_weights,), float64.
        residual: ``|H v - S v| / |S|``, computed anew from both.
        converged: whether the iteration ended and the residual is at most 1e-2.
    """

    value: float
    direction: FloatArray
    residual: float
    converged: bool


def spherical_sharpness(
    loss: Callable[[Tensor], Tensor],
    weights: Tensor,
    *,
    tolerance: float = 1e-4,
    max_restarts: int = 20,
) -> Sharpness:
    """Find the top eigenvalue of ``P H(u) P`` at ``u = w/rho``, with P the projection off u.

    For a scale-invariant loss the gradient is tangent and ``H(u) = rho^2 H(w)``, so this is the
    Hessian of the loss as a function on the unit sphere. Products with H are exact, by
    differentiating twice; eigenvalues come from ARPACK's restarted Lanczos iteration, started from
    a fixed random vector.

    Source: Lehoucq, Sorensen, Yang 1998 (ARPACK users' guide); L21, section 2, for the sphere.

    Args:
        loss: maps flat weights (n_weights,) to a scalar; twice differentiable.
        weights: w, flat, (n_weights,), at least 3 of them.
        tolerance: of ARPACK, relative to the eigenvalue.
        max_restarts: of the iteration, of about a dozen products each.

    Raises:
        ValueError: if there are fewer than 3 weights, or loss or gradient is not finite.
    """
    validate.at_least("the number of weights", weights.numel(), 3)
    variable = weights.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable, create_graph=True)
    if not bool(gradient.isfinite().all()):
        raise ValueError("the gradient of the loss is not finite at these weights")
    norm = weights.detach().double().norm()
    radial = weights.detach().double() / norm

    def product(vector: FloatArray) -> FloatArray:
        tangent = _tangent(torch.as_tensor(vector, device=radial.device).flatten(), radial)
        (image,) = torch.autograd.grad(
            gradient, variable, tangent.to(variable.dtype), retain_graph=True
        )
        return np.asarray((norm**2 * _tangent(image.double(), radial)).cpu())

    value, direction = _top(product, variable.numel(), tolerance, max_restarts)
    residual = float(np.linalg.norm(product(direction) - value * direction) / abs(value))
    return Sharpness(value, direction, residual, residual <= LARGEST_RESIDUAL)


def _tangent(vector: Tensor, radial: Tensor) -> Tensor:
    """The part of a vector that is orthogonal to a unit vector."""
    return vector - (radial @ vector) * radial


def _top(
    product: Callable[[FloatArray], FloatArray], size: int, tolerance: float, max_restarts: int
) -> tuple[float, FloatArray]:
    """Largest eigenvalue and its unit eigenvector; NaN if it did not converge."""
    start = np.random.default_rng(START_SEED).standard_normal(size)
    vectors = min(LANCZOS_VECTORS, size)
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        values, directions = eigsh(
            operator, k=1, which="LA", v0=start, ncv=vectors, maxiter=max_restarts, tol=tolerance
        )
    except ArpackNoConvergence:
        return float("nan"), np.full(size, np.nan)
    return float(values[0]), np.asarray(directions[:, 0])
