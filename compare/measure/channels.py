"""Output channels of a monitored run, one by one: which turn, jump, stand still or collapse.

Behind a batch norm every output channel c obeys a norm law of its own,
``rho_c'^2 = (1 - eta lam)^2 rho_c^2 + eta^2 |grad_c|^2``, so that each may jump or die alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import xarray as xr

from theory.arrays import BoolArray, FloatArray, IntArray
from theory.trajectory import recorded_with
from theory.trajectory.jumps import find_jumps

FROZEN = 0.01  # share of the median angle of all channels below which one stands still


@dataclass(frozen=True)
class Channels:
    """What was recorded of the output channels of a run.

    Attributes:
        names: of the channels, such as ``conv1.weight[3]``.
        layers: the weight that each channel belongs to, (n_channels,).
        steps: optimizer steps of the records, (n_records,).
        norm: rho_c, (n_records, n_channels).
        angle: rad that a channel turned by in each of these steps, (n_records, n_channels).
        eps: epsilon of the normalisation, the largest if there are several; 0 where unknown.
    """

    names: tuple[str, ...]
    layers: npt.NDArray[np.str_]
    steps: IntArray
    norm: FloatArray
    angle: FloatArray
    eps: float

    @classmethod
    def of(cls, trajectories: xr.Dataset, run: str) -> Self | None:
        """The channels of a run of a Dataset; None where no finite norms were recorded."""
        if "channel_weight_norm" not in trajectories:
            return None
        one = trajectories.sel(run=run)
        finite = np.isfinite(one["channel_weight_norm"].values).all(axis=1)
        one = one.isel(channel_step=np.flatnonzero(finite))
        if not one["channel_weight_norm"].size:
            return None
        return cls(
            tuple(str(name) for name in one["channel"].values),
            one["channel_layer"].values.astype(str),
            one["channel_step"].values,
            one["channel_weight_norm"].values.astype(float),
            one["channel_angular_update"].values.astype(float),
            float(recorded_with(trajectories, run, "normalisation_eps") or 0.0),
        )

    @property
    def layer_names(self) -> list[str]:
        """The layers in the order of the network."""
        return list(dict.fromkeys(self.layers.tolist()))

    @cached_property
    def median_norm(self) -> FloatArray:
        """Median over the records of each channel's norm, (n_channels,)."""
        return np.asarray(np.median(self.norm, axis=0))

    @cached_property
    def median_angle(self) -> FloatArray:
        """Median over the records of the angle per step, rad, (n_channels,); NaN without any."""
        known = np.isfinite(self.angle).any(axis=0)
        found = np.full(len(self.names), np.nan)
        found[known] = np.nanmedian(self.angle[:, known], axis=0)
        return found

    @cached_property
    def share(self) -> FloatArray:
        """Median share of a channel in the squared norm of its layer, (n_channels,)."""
        squares = self.norm**2
        whole = np.empty_like(squares)
        for layer in self.layer_names:
            inside = self.layers == layer
            whole[:, inside] = squares[:, inside].sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.median(squares / whole, axis=0))

    @cached_property
    def collapsed(self) -> BoolArray:
        """Whether ``rho_c^2 < eps`` in some record, (n_channels,).

        For inputs of unit variance that do not depend on each other, the variance of what a
        channel gives is ``rho_c^2``. The normalisation divides by ``sqrt(variance + eps)``: below
        eps it no longer restores the scale, and the channel fades with its weights.
        """
        return np.asarray((self.norm**2 < self.eps).any(axis=0))

    @cached_property
    def frozen(self) -> BoolArray:
        """Whether it turns by less than 1 % of what the median channel turns by, (n_channels,).

        Its gradient is all but zero: nothing behind it listens, or it is never active.
        """
        if not np.isfinite(self.median_angle).any():
            return np.zeros(len(self.names), dtype=bool)
        return np.asarray(self.median_angle < FROZEN * np.nanmedian(self.median_angle))

    @cached_property
    def n_jumps(self) -> IntArray:
        """How often its norm grew by 5 % after it had fallen by as much, (n_channels,).

        It is the definition for whole runs, so that a transient of initialisation is none. Records
        are sparse: a jump that is undone before the next one is not seen.
        """
        return np.array([len(one) for one in self._onsets], dtype=np.int64)

    @property
    def jumped(self) -> BoolArray:
        """Whether its norm jumped at least once, (n_channels,)."""
        return self.n_jumps > 0

    @cached_property
    def largest_jump_at(self) -> IntArray:
        """Record at the end of its largest growth between two records, (n_channels,).

        It is sought from the first jump on; -1 without one.
        """
        grown = np.diff(self._log_norm, axis=0).T
        return np.array(
            [
                1 + one[0] + growth[one[0] :].argmax() if len(one) else -1
                for one, growth in zip(self._onsets, grown, strict=True)
            ],
            dtype=np.int64,
        )

    @cached_property
    def largest_jump(self) -> FloatArray:
        """This growth, 0.1 for 10 %, (n_channels,); NaN for a channel that did not jump."""
        found = np.full(len(self.names), np.nan)
        which, at = np.flatnonzero(self.jumped), self.largest_jump_at[self.jumped]
        found[which] = np.expm1(self._log_norm[at, which] - self._log_norm[at - 1, which])
        return found

    @cached_property
    def _onsets(self) -> list[IntArray]:
        """Records at which the jumps of each channel begin."""
        return [find_jumps(-2 * one).onsets for one in self._log_norm.T]

    @cached_property
    def _log_norm(self) -> FloatArray:
        return np.asarray(np.log(np.maximum(self.norm, np.finfo(float).tiny)))
