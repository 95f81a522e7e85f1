"""Runs side by side in one tensor, each where memory is aligned.

Products of matrices round differently where memory is not aligned. A run whose neighbours have an
odd number of entries would otherwise round by its place among them.
"""

import torch.nn.functional as F
from torch import Tensor

ENTRIES = 32  # from one aligned place to the next: 64 bytes of the shortest type, bfloat16


def padded(rows: Tensor) -> Tensor:
    """Rows (n_runs, n) with zeros at their end, so that each begins at an aligned place."""
    return F.pad(rows, (0, -rows.shape[1] % ENTRIES))


def aligned(parts: Tensor) -> Tensor:
    """Parts (n_runs, ...), each at an aligned place; the same tensor where they are already."""
    if len(parts) < 2 or parts.stride(0) % ENTRIES == 0:
        return parts
    flat = parts.flatten(1)
    return padded(flat)[:, : flat.shape[1]].view(parts.shape)
