r"""Gradient and curvature laws of a loss, measured on the sphere alone.

The laws are tables over the loss above its minimum, ``r = F - F_min``: the gradient ``g(r)`` and
the curvature ``S(r)``. Two ways to measure them, neither of which ever sees a jump:

    descent   train on the sphere at a fixed, small effective learning rate, and note r, g, S;
    cut       walk from the minimum so found along the stiffest direction, and note the same.

The oscillator lives on the cut: at the onset every softer direction is still stable. Where the
sphere has one angle (d = 2) a descent follows the cut. In more dimensions descents end along the
softest direction, where ``g^2 = 2 S_soft r``, and miss the stiff one: four points in general
position in d = 3, at ``eta lam`` = 1e-2, then give an elr after a jump 2.6 times too high and a
period 28 % too short, while the laws of the cut are good to few per cent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from theory import validate
from theory.arrays import FloatArray
from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import Dynamics, Records
from theory.toy_losses import losses
from theory.toy_losses.losses import ToyLoss

N_CELLS = 4000


@dataclass(frozen=True)
class UnstableLaws:
    """Slope and gradient along the unstable direction.

    Attributes:
        displacement: angle from the minimum in rad, uniform from -pi to pi, (n,).
        slope: dF/dx there, (n,).
        grad_norm: g there, at least ``|slope|``, (n,).
        curvature: S at the minimum, the slope of the slope.

    Raises:
        ValueError: if the arrays do not fit or the curvature is not positive.
    """

    displacement: FloatArray
    slope: FloatArray
    grad_norm: FloatArray
    curvature: float

    def __post_init__(self) -> None:
        validate.positive("curvature", self.curvature)
        shapes = {np.shape(a) for a in (self.displacement, self.slope, self.grad_norm)}
        if len(shapes) > 1 or np.ndim(self.slope) != 1 or len(self.slope) < 3:
            raise ValueError(f"laws must be three equal arrays of 3 values or more, got {shapes}")
        grid = np.linspace(-math.pi, math.pi, len(self.slope))
        if not np.allclose(self.displacement, grid, rtol=0, atol=1e-9):
            raise ValueError(
                "displacement must be uniform from -pi to pi, got "
                f"{self.displacement[0]:g} to {self.displacement[-1]:g}"
            )


@dataclass(frozen=True)
class Descent:
    """What training on the sphere at a fixed effective learning rate shows.

    Attributes:
        excess_loss: ``F - F_min``, rising, (n,).
        grad_norm: g there, (n,).
        curvature: S there, the top eigenvalue on the sphere, (n,).
        minimum: unit weights of lowest loss, (d,).
    """

    excess_loss: FloatArray
    grad_norm: FloatArray
    curvature: FloatArray
    minimum: FloatArray


def descend(
    loss: ToyLoss, effective_lr: float, *, n_steps: int = 20_000, n_starts: int = 8, bins: int = 60
) -> Descent:
    """Train from random starts on the sphere, and average g and S where r is alike.

    Args:
        loss: the toy loss.
        effective_lr: fixed, below ``2 / S`` wherever the descent comes.
        n_steps: steps of each start.
        n_starts: starts, of seeds 0, 1, ...
        bins: number of classes of log r, over seven decades.

    Raises:
        ValueError: if a number is out of range or the gradient has not vanished in the end.
    """
    rate = validate.positive("effective_lr", effective_lr)
    validate.at_least("n_starts", n_starts, 1)
    rng = np.random.default_rng(0)
    starts = rng.normal(size=(loss.dimension, n_starts))
    records = toy_ensemble.run(
        loss,
        starts / np.linalg.norm(starts, axis=0),
        learning_rate=np.full(n_starts, rate),
        weight_decay=np.zeros(n_starts),
        n_steps=validate.at_least("n_steps", n_steps, 1),
        dynamics=Dynamics(sphere=True),
        keep_path=True,
    )
    best = int(records.train_loss[-1].argmin())
    slowest = records.effective_grad_norm[-1, best] / records.effective_grad_norm.max()
    if not slowest < 1e-6:
        raise ValueError(
            f"g must vanish within n_steps, got {slowest:.2g} of its largest value after {n_steps}"
        )
    r, g, stiff = _averages(loss, records, bins)
    minimum = records.weights[:, best] / np.linalg.norm(records.weights[:, best])
    return Descent(r, g, stiff, minimum)


def _averages(loss: ToyLoss, records: Records, bins: int) -> FloatArray:
    """Mean r, g (geometric) and S of each class of log r that was visited, (3, n)."""
    excess = records.train_loss - records.train_loss.min()
    edges = excess.max() * np.geomspace(1e-7, 1, bins + 1)
    rows = []
    for low, high in pairwise(edges):
        steps, members = np.nonzero((excess >= low) & (excess < high))
        if len(steps):
            chosen = np.linspace(0, len(steps) - 1, min(len(steps), 16)).astype(int)
            step, member = steps[chosen], members[chosen]
            places = records.path[step, :, member]
            stiff = np.mean([losses.spherical_sharpness(loss, place) for place in places])
            g = records.effective_grad_norm[step, member]
            rows.append((_geometric(excess[step, member]), _geometric(g), float(stiff)))
    return np.array(rows).T


def cut(loss: ToyLoss, minimum: FloatArray, *, n_cells: int = N_CELLS) -> UnstableLaws:
    """Laws on the great circle through a minimum along its stiffest direction.

    Args:
        loss: the toy loss.
        minimum: weights at the minimum, (d,), of any norm.
        n_cells: cells of the table.

    Raises:
        ValueError: if the weights do not fit the loss or are no minimum.
    """
    center = np.asarray(minimum, dtype=float)
    if center.shape != (loss.dimension,):
        raise ValueError(f"minimum must be ({loss.dimension},), got shape {center.shape}")
    center = center / np.linalg.norm(center)
    functions = losses.for_numpy(loss)
    tangential = np.eye(len(center)) - np.outer(center, center)
    curvatures, directions = np.linalg.eigh(tangential @ functions.hessian(center) @ tangential)
    direction = directions[:, -1]
    x = np.linspace(-math.pi, math.pi, n_cells + 1)
    along = np.outer(center, np.cos(x)) + np.outer(direction, np.sin(x))
    tangent = np.outer(direction, np.cos(x)) - np.outer(center, np.sin(x))
    gradient = functions.gradient(along)
    residue = np.linalg.norm(functions.gradient(center))
    if not residue < 1e-3 * curvatures[-1]:
        raise ValueError(f"no minimum: g = {residue:.2g} at a curvature of {curvatures[-1]:.2g}")
    return UnstableLaws(
        x, (gradient * tangent).sum(0), np.linalg.norm(gradient, axis=0), float(curvatures[-1])
    )


def from_tables(
    excess_loss: FloatArray, grad_norm: FloatArray, curvature: FloatArray, *, n_cells: int = N_CELLS
) -> UnstableLaws:
    """Laws from tables ``g(r)`` and ``S(r)``, for a loss alike on both sides of its minimum.

    The displacement at which the loss is r is ``x = int dr / g(r)``. Below the table the loss is
    harmonic with its lowest curvature, ``g = sqrt(2 S r)``; above, g stays as it is.

    Args:
        excess_loss: ``r = F - F_min``, above 0 and rising, (n,).
        grad_norm: g there, above 0, (n,).
        curvature: S there, (n,); the first is taken for that of the minimum.
        n_cells: cells of the table made.

    Raises:
        ValueError: if the tables are not that.
    """
    r, g, stiff = (np.asarray(a, dtype=float) for a in (excess_loss, grad_norm, curvature))
    if not (r.ndim == 1 and r.shape == g.shape == stiff.shape and len(r) > 1):
        raise ValueError(f"tables must be equally long, got {r.shape}, {g.shape}, {stiff.shape}")
    if not (r[0] > 0 and (np.diff(r) > 0).all() and (g > 0).all()):
        raise ValueError(f"excess_loss must rise from above 0 and g be positive, got {r[0]:g}")
    first = validate.positive("curvature", float(stiff[0]))
    fine = np.geomspace(r[0], r[-1], 20 * len(r))
    slope = np.exp(np.interp(np.log(fine), np.log(r), np.log(g)))
    inverse = fine / slope  # dr / g = (r / g) d(log r)
    gained = np.diff(np.log(fine)) * (inverse[1:] + inverse[:-1]) / 2
    distance = math.sqrt(2 * r[0] / first) + np.append(0, np.cumsum(gained))
    x = np.linspace(-math.pi, math.pi, n_cells + 1)
    values = np.interp(np.abs(x), np.append(0, distance), np.append(0, slope))
    return UnstableLaws(x, np.sign(x) * values, values, first)


def _geometric(values: FloatArray) -> float:
    return float(np.exp(np.log(values).mean()))
