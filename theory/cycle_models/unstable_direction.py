r"""Gradient and curvature along the direction in which a minimum on the sphere destabilises.

They are tables on the great circle through the minimum along its stiffest direction, read off the
loss alone: no jump is ever seen. At the onset of a destabilisation every softer direction is still
stable, so this is where the oscillator moves. (Training on the sphere would not do: where there is
more than one angle it ends along the softest direction and misses the stiff one.)
"""

import math
from dataclasses import dataclass

import numpy as np

from theory import validate
from theory.arrays import FloatArray
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
        curvature: S at the minimum, the slope of the slope, above 0.
    """

    displacement: FloatArray
    slope: FloatArray
    grad_norm: FloatArray
    curvature: float

    def __post_init__(self) -> None:
        validate.positive("curvature", self.curvature)


def cut(loss: ToyLoss, minimum: FloatArray) -> UnstableLaws:
    """Laws on the great circle through a minimum along its stiffest direction.

    Args:
        loss: the toy loss.
        minimum: weights at the minimum, (d,), of any norm.

    Raises:
        ValueError: if the weights do not fit the loss or are not at a minimum.
    """
    center = np.asarray(minimum, dtype=float)
    if center.shape != (loss.dimension,):
        raise ValueError(f"minimum must be ({loss.dimension},), got shape {center.shape}")
    center = center / np.linalg.norm(center)
    functions = losses.for_numpy(loss)
    tangential = np.eye(len(center)) - np.outer(center, center)
    curvatures, directions = np.linalg.eigh(tangential @ functions.hessian(center) @ tangential)
    direction = directions[:, -1]
    x = np.linspace(-math.pi, math.pi, N_CELLS + 1)
    along = np.outer(center, np.cos(x)) + np.outer(direction, np.sin(x))
    tangent = np.outer(direction, np.cos(x)) - np.outer(center, np.sin(x))
    gradient = functions.gradient(along)
    residue = np.linalg.norm(functions.gradient(center))
    if not residue < 1e-3 * curvatures[-1]:
        raise ValueError(f"no minimum: g = {residue:.2g} at a curvature of {curvatures[-1]:.2g}")
    slope, size = (gradient * tangent).sum(0), np.linalg.norm(gradient, axis=0)
    return UnstableLaws(x, slope, size, float(curvatures[-1]))
