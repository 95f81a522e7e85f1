"""Named tensors of many runs inside one flat tensor."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Names and shapes of tensors that lie one after another in a flat one.

    Attributes:
        names: one name a tensor.
        shapes: their shapes.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @functools.cached_property
    def sizes(self) -> list[int]:
        """Number of entries of each tensor."""
        return [math.prod(shape) for shape in self.shapes]

    @functools.cached_property
    def n_weights(self) -> int:
        """Number of entries of all tensors."""
        return sum(self.sizes)

    def split(self, flat: Tensor) -> list[Tensor]:
        """View (n_runs, >= n_weights) as one (n_runs, *shape) tensor for each name."""
        if not self.names:
            return []
        parts = torch.split(flat[:, : self.n_weights], self.sizes, dim=1)
        return [part.view(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)]
