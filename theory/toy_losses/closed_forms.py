"""Loss, gradient and Hessian for NumPy: of any loss, and in closed form where terms are many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

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


def logistic(points: FloatArray, scale: float) -> NumpyLoss:
    """Closed forms of ``F = mean log(1 + exp(-z))``, ``z = scale <p, w> / |w|``.

    Args:
        points: (n_points, d).
        scale: factor on the cosine.
    """

    def parts(w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """``<p, w>`` (n_points, ...), the norm (...), and ``-dF/dz`` (n_points, ...)."""
        inner, norm = np.tensordot(points, w, 1), np.sqrt((w**2).sum(0))
        return inner, norm, expit(-scale * inner / norm) / len(points)

    def loss(w: FloatArray) -> FloatArray:
        inner, norm, _ = parts(w)
        return np.asarray(np.logaddexp(0, -scale * inner / norm).mean(0))

    def gradient(w: FloatArray) -> FloatArray:
        inner, norm, share = parts(w)
        radial = (share * inner).sum(0) / norm**2
        return np.asarray(scale * (w * radial - np.tensordot(points.T, share, 1)) / norm)

    def hessian(w: FloatArray) -> FloatArray:
        inner, norm, share = parts(w)
        u, cosine = w / norm, inner / norm
        slopes = scale * (points - np.outer(cosine, u)) / norm
        curved = share * (1 - len(points) * share)
        mixed = np.outer(share @ points, u)
        bent = mixed + mixed.T + (share @ cosine) * (np.eye(len(w)) - 3 * np.outer(u, u))
        return np.asarray((slopes.T * curved) @ slopes + scale * bent / norm**2)

    return NumpyLoss(loss, gradient, hessian)
