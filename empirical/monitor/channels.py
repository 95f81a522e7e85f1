"""Output channels that are scale-invariant each: norm, gradient and angle, now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from empirical.monitor.step_sums import MOVED, STEP, StepSums, turned
from theory.arrays import FloatArray

MAX_RECORDS = 200  # beyond that every second one is given up, and only as many kept from then on
NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
INVARIANT = 0.01  # largest cosine of gradient and weights of a channel that is scale-invariant


class Channels:
    """Records of the channels of the weights that are followed.

    Behind a batch norm each slice of a weight along its first dimension obeys a norm law of its
    own. Which tensors are of that kind is seen from the first gradient, which is orthogonal
    to each slice.

    Args:
        sums: around a step, after ``StepSums.before``.
        names: of the weights.
    """

    def __init__(self, sums: StepSums, names: Sequence[str]) -> None:
        self._sums = sums
        self._chosen = [i for i, cosine in enumerate(sums.row_cosines()) if cosine < INVARIANT]
        sizes = [len(sums.weights[i]) for i in self._chosen]
        self.layers = [names[i] for i, n in zip(self._chosen, sizes, strict=True) for _ in range(n)]
        self.names = [
            f"{names[i]}[{c}]" for i, n in zip(self._chosen, sizes, strict=True) for c in range(n)
        ]
        self.stride = 1  # evaluations between records
        self._seen = 0
        self._records: list[tuple[int, float | Tensor, Tensor]] = []

    def record(self, step: int, shrink: float | Tensor) -> None:
        """Keep what the step did to each channel, if it is this evaluation's turn."""
        due = self._chosen and self._seen % self.stride == 0
        self._seen += 1
        if not due:
            return
        self._records.append((step, shrink, self._sums.rows(self._chosen).float()))
        if len(self._records) > MAX_RECORDS:
            self._records, self.stride = self._records[::2], 2 * self.stride

    def series(self) -> tuple[list[int], dict[str, FloatArray]]:
        """Steps, and norm, effective gradient and angle of each channel, (n_records, n_channels).

        The product of a channel's norm and the gradient's is its own effective gradient.
        """
        if not self._records:
            return [], {}
        steps = [step for step, _, _ in self._records]
        table = torch.stack([norms for _, _, norms in self._records]).cpu().double().numpy()
        a = np.array([float(shrink) for _, shrink, _ in self._records])[:, None]
        rho, gradient = table[:, 0], table[:, 1]
        return steps, {
            "channel_weight_norm": rho,
            "channel_effective_grad_norm": rho * gradient,
            "channel_angular_update": turned(rho, table[:, MOVED], table[:, STEP], a),
        }


def largest_eps(model: nn.Module) -> float:
    """The largest epsilon of a network's normalisations, 0 without any.

    They are told by what they are derived from, or by their name.
    """
    found = [part.eps for part in model.modules() if _is_normalisation(part)]
    return max((eps for eps in found if isinstance(eps, float)), default=0.0)


def _is_normalisation(part: nn.Module) -> bool:
    named = "norm" in type(part).__name__.lower()
    return hasattr(part, "eps") and (named or isinstance(part, NORMALISATIONS))
