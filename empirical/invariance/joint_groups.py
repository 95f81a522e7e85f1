"""Which tensors a network's outputs ignore only when they are scaled together."""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.optimize

from theory.arrays import FloatArray

# The null space of a network's symmetries has small whole numbers in its echelon form, up to this.
ROUNDING = 1e-2
# Singular values below this are as good as 0; a gap between them says nothing.
NOTHING = 1e-9


def joint_groups(
    radial: FloatArray, values: Sequence[FloatArray], *, tolerance: float = 1e-3
) -> list[list[int]]:
    """Find groups of tensors whose common factor leaves the outputs as they are.

    Let ``v_p = d outputs / d ln(scale of tensor p)``. Scaling the set S by one factor leaves the
    outputs in place, to first order, when ``sum over S of v_p = 0``. Among all such sets the most
    valuable is chosen, by integer programming over the null space of the matrix v, and taken
    apart into the smallest sets that are invariant each. Only equal powers of the factor are
    looked for: the norm law holds for ``sum |w_p|^2`` when ``sum <grad_p, w_p> = 0``. Where two
    sets share a tensor (with the weights before or those after a homogeneous activation) only one
    of them can count.

    Args:
        radial: ``<c_k, v_p>`` for more random cotangents c_k than there are tensors, (n_cotangents,
            n_tensors); no column may be 0.
        values: of each tensor in a set, (n_tensors,); sets of the same first value are told apart
            by the second, and so on. A tensor of value 0 throughout is in no group.
        tolerance: with the columns of v at length 1, singular values below this share of the
            largest may count as 0: those beyond the widest gap do, for an epsilon that the
            search could not shrink leaves them a little above.

    Returns:
        Indices of each group, ascending; a tensor is in one group at most.
    """
    echelon = _echelon(radial, tolerance)
    n_null, n_tensors = echelon.shape
    if n_null == 0:
        return []
    rest, required = np.zeros(n_tensors), np.zeros(n_tensors)
    for value in values:
        if value.any():
            cost = -value / value[value > 0].min()
            rest = _null_set(echelon, cost, required, np.ones(n_tensors))
            required = np.where(value > 0, rest, required)
    groups = []
    worth = np.sum(values, axis=0)
    while rest.any():
        cost = 1 - worth / worth.sum() / 2  # the fewest tensors, of those the most worth
        small = _null_set(echelon, cost, np.zeros(n_tensors), rest, at_least=1)
        groups.append(np.flatnonzero(small).tolist())
        rest = rest - small
    return sorted(groups)


def _echelon(radial: FloatArray, tolerance: float) -> FloatArray:
    """Reduced row echelon form of the null space, (n_null, n_tensors)."""
    lengths = np.linalg.norm(radial, axis=0)
    _, values, directions = np.linalg.svd(radial / lengths)
    clipped = np.append(np.maximum(values / values[0], NOTHING), NOTHING)
    small = np.flatnonzero(clipped <= tolerance)
    rank = max(small, key=lambda i: clipped[i - 1] / clipped[i])
    null: FloatArray = directions[rank:] / lengths
    if len(null) == 0:
        return null
    # the most independent columns become the pivots, so that no entry is large
    _, _, order = scipy.linalg.qr(null * lengths, pivoting=True, mode="economic")
    return np.asarray(np.linalg.solve(null[:, order[: len(null)]], null))


def _null_set(
    echelon: FloatArray,
    cost: FloatArray,
    required: FloatArray,
    allowed: FloatArray,
    *,
    at_least: int = 0,
) -> FloatArray:
    """The cheapest indicator, 0 or 1 for each tensor, that lies in the null space.

    It is 1 where ``required`` is and 0 where ``allowed`` is; all 0 if there is none.
    """
    identity = np.eye(echelon.shape[1])
    pivots = [int(np.abs(echelon.T - unit).sum(axis=1).argmin()) for unit in np.eye(len(echelon))]
    conditions = identity - echelon.T @ identity[pivots]
    answer = scipy.optimize.milp(
        cost,
        constraints=[
            scipy.optimize.LinearConstraint(conditions, -ROUNDING, ROUNDING),
            scipy.optimize.LinearConstraint(np.ones(len(cost)), at_least, np.inf),
        ],
        integrality=np.ones(len(cost)),
        bounds=scipy.optimize.Bounds(required, allowed),
        options={"mip_rel_gap": 0.0},
    )
    return np.zeros(len(cost)) if answer.x is None else np.asarray(np.round(answer.x))
