"""Loss, gradient and Hessian for NumPy: of any loss, and in closed form where terms are many."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.arrays import FloatArray


@dataclass(frozen=True)
class NumpyLoss:
    """A loss for NumPy; weights are (d, ...), any shape behind the first axis.

    Attributes:
        loss: ``w -> F``, (...).
        gradient: ``w -> grad F``, (d, ...).
        hessian: ``w -> Hessian``, (d, d, ...).
    """

    loss: Callable[[FloatArray], FloatArray]
    gradient: Callable[[FloatArray], FloatArray]
    hessian: Callable[[FloatArray], FloatArray]


def rayleigh(alphas: FloatArray) -> NumpyLoss:
    """Closed forms ``F = <w, A w>/(2 s)``, ``G = (A - 2F) w / s``, ``H = (A - 2F)/s - ...``."""

    def loss(w: FloatArray) -> FloatArray:
        return np.asarray(np.tensordot(alphas, w**2, 1) / (2 * (w**2).sum(0)))

    def gradient(w: FloatArray) -> FloatArray:
        column = alphas.reshape(-1, *[1] * (w.ndim - 1))
        return np.asarray(w * (column - 2 * loss(w)) / (w**2).sum(0))

    def hessian(w: FloatArray) -> FloatArray:
        s, g = (w**2).sum(0), gradient(w)
        diagonal = np.diag(alphas) - 2 * loss(w) * np.eye(len(alphas))
        return np.asarray((diagonal - 2 * (np.outer(w, g) + np.outer(g, w))) / s)

    return NumpyLoss(loss, gradient, hessian)
