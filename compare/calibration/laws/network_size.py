"""How large a network is for its data: what the known networks' periods go by.

A network of few weights for what it has to fit keeps a gradient between its jumps, jumps from
lower rates and has short periods; one that fits its data has long ones, the longer the slower the
decay (docs/results.md). With P weights, N examples and K classes the border is near P = N K.

Source: Belkin et al. 2019, arXiv:1812.11118, section 3 (the interpolation threshold at P = N K).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from theory import validate
from theory.arrays import FloatArray

VARIABLES = ("n_weights", "n_layers", "n_examples", "n_classes")  # of a run, where it is known
KERNELS = "n_kernels"  # likewise; not in files that are older
NOT_KNOWN = -1
FEATURES = 3
USUAL = 0.5  # P / (N K)
SHALLOW, DEEP = 2, 3  # layers from which on depth makes no further difference, as far as is known


@dataclass(frozen=True)
class NetworkSize:
    """A network and what it is trained on.

    Attributes:
        n_weights: scale-invariant weights, P.
        n_layers: tensors of them.
        n_examples: that it is trained on, N.
        n_classes: K.
        n_kernels: tensors of these that are convolution kernels; -1 where it is not known.
    """

    n_weights: int
    n_layers: int
    n_examples: int
    n_classes: int
    n_kernels: int = NOT_KNOWN

    def __post_init__(self) -> None:
        for name in VARIABLES:
            validate.positive(name, getattr(self, name))

    def same_as(self, other: NetworkSize | None) -> bool:
        """Whether another network is as large, whatever of its weights are kernels."""
        return other is not None and replace(other, n_kernels=self.n_kernels) == self

    @property
    def measures(self) -> FloatArray:
        """``ln(P / (N K))`` less that of a usual network, and depth, (2,)."""
        capacity = math.log(self.n_weights / (USUAL * self.n_examples * self.n_classes))
        return np.array([capacity, math.log(min(self.n_layers, DEEP) / SHALLOW)])


def features(measures: FloatArray) -> FloatArray:
    """What the mean of a network's laws goes with: ``ln(P/NK)``, ``NK/P`` and depth, (3,).

    The second grows where a network is too small for its data, and goes to 0 where it is not.
    """
    capacity, depth = measures
    return np.array([capacity, math.exp(-capacity), depth])


def recorded(run: xr.Dataset) -> NetworkSize | None:
    """The size of the network of one run of a file; None where it was not recorded."""
    if any(name not in run for name in VARIABLES):
        return None
    values = [float(run[name]) for name in VARIABLES]
    if not all(value >= 1 for value in values):
        return None
    kernels = float(run[KERNELS]) if KERNELS in run else math.nan
    n_kernels = int(kernels) if kernels >= 0 else NOT_KNOWN
    n_weights, n_layers, n_examples, n_classes = map(int, values)
    return NetworkSize(n_weights, n_layers, n_examples, n_classes, n_kernels)
