r"""Run an ensemble of trajectories on a toy loss in the kernel that fits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from theory.arrays import FloatArray
from theory.simulation import threads
from theory.simulation.code_generation import even_forms, kernel_source
from theory.simulation.code_generation.step_code import Variant
from theory.simulation.kernels import kernel_cache
from theory.toy_losses.losses import LARGEST_SYMBOLIC, ToyLoss

LANES = 64
# Above this the lanes of an unrolled Rayleigh quotient spill: 130 ns against 40 at d = 64.
_LARGEST_IN_LANES = 32


@dataclass(frozen=True)
class Dynamics:
    """How the weights move.

    Attributes:
        momentum: heavy-ball coefficient m, 0 <= m < 1.
        noise: sigma, standard deviation of the effective gradient per tangent direction.
        sphere: keep the norm at 1; the learning rate is then the effective one, and decay is 0.
        safe: let coordinates carry exponents, so that nothing underflows between jumps. None
            does so where it matters: without noise, which keeps coordinates away from 0 itself.

    Raises:
        ValueError: if a value is out of range or two of them exclude each other.
    """

    momentum: float = 0.0
    noise: float = 0.0
    sphere: bool = False
    safe: bool | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not (np.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise must be a finite number >= 0, got {self.noise}")
        if self.sphere and self.momentum:
            raise ValueError(f"momentum on the sphere is not defined, got {self.momentum}")
        if self.safe and self.noise:
            raise ValueError(f"noise needs no safe exponents, got noise {self.noise} with safe")

    @property
    def carries_exponents(self) -> bool:
        """Whether the safe kernel runs."""
        return not self.noise if self.safe is None else self.safe


@dataclass(frozen=True)
class Records:
    """What an ensemble did.

    Attributes:
        weight_norm: before each recorded step, (n_records, n).
        effective_grad_norm: g of that step, noise included, (n_records, n).
        train_loss: F before it, (n_records, n).
        weights: after the last step, (d, n).
        path: weights before each recorded step, (n_records, d, n); empty unless asked for.
    """

    weight_norm: FloatArray
    effective_grad_norm: FloatArray
    train_loss: FloatArray
    weights: FloatArray
    path: FloatArray


def run(
    loss: ToyLoss,
    weights: FloatArray,
    *,
    learning_rate: FloatArray,
    weight_decay: FloatArray,
    n_steps: int,
    record_every: int = 1,
    dynamics: Dynamics | None = None,
    seeds: npt.NDArray[np.int64] | None = None,
    rates: FloatArray | None = None,
    growth: FloatArray | None = None,
    velocity: FloatArray | None = None,
    keep_path: bool = False,
) -> Records:
    """Advance n trajectories; each depends on its own column alone, whatever runs beside it.

    Args:
        loss: the loss, of d weights.
        weights: initial weights, (d, n).
        learning_rate: eta of each trajectory, (n,).
        weight_decay: lam of each, (n,).
        n_steps: number of steps.
        record_every: record before every such step.
        dynamics: momentum, noise, sphere, exponents; plain SGD by default.
        seeds: seed of each trajectory's noise, (n,); 0, 1, ... by default.
        rates: factor on the learning rates at each step, (n_steps,); 1 by default.
        growth: factor by which each learning rate grows a step, (n,); 1 by default.
        velocity: initial momentum buffer, (d, n); 0 by default.
        keep_path: record the weights too.

    Raises:
        ValueError: if the weights do not fit the loss, or noise or momentum is asked of a loss
            of more than 64 weights.
    """
    dynamics = dynamics or Dynamics()
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 2 or weights.shape[0] != loss.dimension:
        raise ValueError(f"weights must be ({loss.dimension}, n), got shape {weights.shape}")
    n = weights.shape[1]
    scheduled = rates is not None or growth is not None
    padded = -n % LANES if loss.dimension <= LARGEST_SYMBOLIC else 0
    state = _padded(weights, padded)
    records = -(-n_steps // record_every)
    tables = [np.empty((records, n + padded)) for _ in range(3)]
    path = np.empty((records if keep_path else 0, loss.dimension, n + padded))
    arguments = (
        state,
        _padded(np.zeros_like(weights) if velocity is None else velocity, padded),
        _padded(learning_rate, padded),
        _padded(weight_decay, padded),
        _padded(np.ones(n) if growth is None else growth, padded),
        _padded(np.arange(n) if seeds is None else seeds, padded).astype(np.int64),
        np.ones(n_steps if scheduled else 1) if rates is None else np.asarray(rates, dtype=float),
        float(dynamics.momentum),
        float(dynamics.noise),
        int(n_steps),
        int(record_every),
    )
    kernel(loss, dynamics, scheduled=scheduled)(*arguments, *tables, path)
    norm, slope, value = (table[:, :n] for table in tables)
    return Records(norm, slope, value, state[:, :n], path[:, :, :n])


def kernel(loss: ToyLoss, dynamics: Dynamics, *, scheduled: bool = False) -> Any:
    """The compiled kernel that fits: generated, or with loops over many weights.

    Raises:
        ValueError: if there is none.
    """
    plain = not (dynamics.noise or dynamics.momentum)
    if loss.dimension > LARGEST_SYMBOLIC or (
        loss.spectrum and plain and loss.dimension > _LARGEST_IN_LANES
    ):
        return _large_kernel(loss, dynamics)
    variant = Variant(
        noise=dynamics.noise > 0,
        momentum=dynamics.momentum > 0,
        scheduled=scheduled,
        sphere=dynamics.sphere,
        safe=dynamics.carries_exponents and even_forms.carries_exponents(loss),
    )
    return threads.shared(
        kernel_cache.load(kernel_source.source(loss, variant)).trajectories, LANES
    )


def _large_kernel(loss: ToyLoss, dynamics: Dynamics) -> Any:
    """The general Rayleigh kernel behind the signature of the generated ones."""
    if not loss.spectrum or dynamics.noise or dynamics.momentum:
        raise ValueError(
            f"above {LARGEST_SYMBOLIC} weights only a Rayleigh quotient without noise and "
            f"momentum can be simulated, got {loss.name} with {loss.dimension}"
        )
    alphas, lowest = np.array(loss.spectrum), min(loss.spectrum)
    folder = Path(kernel_cache.__file__).parent
    module = kernel_cache.load_file(folder / "rayleigh.py", helpers=folder / "vector_lanes.py")
    rayleigh = threads.shared(module.rayleigh, 1)

    def trajectories(*arguments: Any) -> None:
        weights, _, learning_rate, weight_decay, growth, _, rates, _, _, n_steps, every = arguments[
            :11
        ]
        rayleigh(
            weights, alphas - lowest, lowest, learning_rate, weight_decay, growth, rates,
            dynamics.sphere, dynamics.carries_exponents, n_steps, every, *arguments[11:],
        )  # fmt: skip

    return trajectories


def _padded(values: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    """A contiguous copy with the last column repeated, to fill the last block of lanes."""
    array = np.asarray(values)
    return np.ascontiguousarray(np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, count)], "edge"))
