r"""Simulate a toy loss over a grid of learning rate, weight decay and seed.

The grid is simulated in blocks of runs, so that memory does not grow with it. A run depends only
on its own setting and seed, not on its block. Runs of the same seed share their
initial direction and their noise, whatever their setting, as networks of the same seed do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np
import xarray as xr

from theory import laws, trajectory, validate
from theory.arrays import FloatArray
from theory.laws import schedules
from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import LANES, Dynamics, Records
from theory.toy_losses.losses import ToyLoss
from theory.trajectory import RunSpec

MOST_STEPS = 10**13  # of all runs together: hours on all cores of a large machine
MOST_SETTINGS = 10**6
_BLOCK_BYTES = 2**28
_ARRAYS = 4  # norm, gradient, loss and effective learning rate, float64
# Peak memory and file sizes as measured with 1 to 10^5 runs of 2 to 200 weights on Linux.
_PROCESS_BYTES = 250_000_000  # the libraries and a compiled kernel
_COPIES = 1.6  # of the records, while they are transposed and written
_SCHEDULE_COPIES = 3  # of the rates of all steps
_LABEL_BYTES = 700  # names and settings of a run
_WEIGHT_BYTES = 44  # of each weight of a run
_LABEL_DISK_BYTES = 345


@dataclass(frozen=True)
class Grid:
    """All combinations of learning rates, weight decays and seeds, and how to run them.

    Attributes:
        learning_rates: eta values; effective learning rates on the sphere.
        weight_decays: lam values, each with ``eta lam < 1``.
        seeds: seeds of initial directions and noise, 0 or more.
        n_steps: optimizer steps.
        record_every: steps between records.
        initial_norm: weight norm at step 0; 1 on the sphere.
        schedule: ``constant``, ``step``, ``cosine``, ``rising``, ``probing`` (see
            ``theory.laws.schedules``), or ``growing``, which runs without decay the twin that
            follows the same directions as the run with decay.
        dynamics: momentum, noise, sphere, exponents.

    Raises:
        ValueError: if a value is out of range or two exclude each other.
    """

    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    seeds: Sequence[int] = (0,)
    n_steps: int = 10_000
    record_every: int = 1
    initial_norm: float = 1.0
    schedule: str = "constant"
    dynamics: Dynamics = field(default_factory=Dynamics)

    def __post_init__(self) -> None:
        for name in ("learning_rates", "weight_decays", "seeds"):
            validate.at_least(f"number of {name}", len(getattr(self, name)), 1)
        validate.within("n_steps", self.n_steps, 1, MOST_STEPS)
        validate.within("record_every", self.record_every, 1, MOST_STEPS)
        if self.n_runs * self.n_steps > MOST_STEPS:
            raise ValueError(
                f"a simulation must have at most {MOST_STEPS:g} steps in all, "
                f"got {self.n_runs} trajectories of {self.n_steps} steps"
            )
        n_settings = len(self.learning_rates) * len(self.weight_decays)
        validate.within("number of settings", n_settings, 1, MOST_SETTINGS)
        for setting in product(self.learning_rates, self.weight_decays):
            validate.setting(*setting)
        if not isinstance(self.seeds, range):  # which may be long, and starts at 0
            validate.at_least("seed", min(self.seeds), 0)
        validate.positive("initial_norm", self.initial_norm)
        schedules.known(self.schedule)
        if self.dynamics.sphere:
            _check_sphere(self)

    @property
    def n_runs(self) -> int:
        """Number of trajectories."""
        return len(self.learning_rates) * len(self.weight_decays) * len(self.seeds)

    @property
    def n_records(self) -> int:
        """Number of records of each trajectory."""
        return -(-self.n_steps // self.record_every)

    def runs(self) -> Iterator[RunSpec]:
        """The runs, seeds varying fastest."""
        for lr, wd, seed in product(self.learning_rates, self.weight_decays, self.seeds):
            yield RunSpec(float(lr), float(wd), int(seed), self.n_steps, self.dynamics.momentum)


def _check_sphere(grid: Grid) -> None:
    if any(grid.weight_decays) or grid.initial_norm != 1 or grid.schedule == "growing":
        raise ValueError(
            "on the sphere weight_decay must be 0, initial_norm 1 and the schedule not growing, "
            f"got {grid.weight_decays}, {grid.initial_norm} and {grid.schedule}"
        )


@dataclass(frozen=True)
class Cost:
    """What a simulation takes.

    Attributes:
        n_runs: trajectories.
        n_steps: optimizer steps of all of them together.
        memory: peak bytes of the whole process, about.
        disk: bytes of the file, about.
    """

    n_runs: int
    n_steps: int
    memory: int
    disk: int

    def __str__(self) -> str:
        return (
            f"{self.n_runs} trajectories, {self.n_steps:.3g} steps in all: about "
            f"{self.memory / 1e6:.3g} MB of memory and {self.disk / 1e6:.3g} MB on disk"
        )


def cost(grid: Grid, *, dimension: int) -> Cost:
    """What simulating a grid of losses of so many weights takes, block by block."""
    block = min(block_size(grid, dimension), -(-grid.n_runs // LANES) * LANES)
    rates = 0 if grid.schedule == "constant" else 8 * _SCHEDULE_COPIES * grid.n_steps
    return Cost(
        n_runs=grid.n_runs,
        n_steps=grid.n_runs * grid.n_steps,
        memory=_PROCESS_BYTES + block * _run_bytes(grid, dimension) + rates,
        disk=grid.n_runs * (_ARRAYS * 8 * grid.n_records + _LABEL_DISK_BYTES),
    )


def _run_bytes(grid: Grid, dimension: int) -> int:
    """Memory of a run in a block, at its peak."""
    records = int(_COPIES * _ARRAYS * 8 * grid.n_records)
    return records + _LABEL_BYTES + _WEIGHT_BYTES * dimension


def simulate(loss: ToyLoss, grid: Grid) -> xr.Dataset:
    """Simulate a whole grid in memory.

    Args:
        loss: the toy loss.
        grid: settings and how to run them.

    Returns:
        A Dataset of the common schema (``theory.trajectory``). A run that left the range of
        float64 has ``status`` "diverged" and a reason; its records end there, as NaN.

    Raises:
        ValueError: if memory cannot hold it.
    """
    whole = _PROCESS_BYTES + grid.n_runs * _run_bytes(grid, loss.dimension)
    in_blocks = cost(grid, dimension=loss.dimension).memory
    validate.fits_in_memory("this simulation", max(whole, in_blocks))
    return _block(loss, grid, list(grid.runs()))


def blocks(loss: ToyLoss, grid: Grid) -> Iterator[xr.Dataset]:
    """Simulate a grid as Datasets of at most ``block_size`` runs each, one after another."""
    size, runs = block_size(grid, loss.dimension), grid.runs()
    while chunk := list(islice(runs, size)):
        yield _block(loss, grid, chunk)


def block_size(grid: Grid, dimension: int) -> int:
    """Runs in memory at once: as many as fit in 256 MB."""
    return max(_BLOCK_BYTES // _run_bytes(grid, dimension) // LANES, 1) * LANES


def initial_weights(loss: ToyLoss, seeds: FloatArray, norm: float) -> FloatArray:
    """One random direction per seed at a given norm, (d, n)."""
    unique, where = np.unique(np.asarray(seeds), return_inverse=True)
    drawn = [np.random.default_rng(int(seed)).normal(size=loss.dimension) for seed in unique]
    weights = np.stack(drawn, axis=1)
    return np.asarray((norm * weights / np.linalg.norm(weights, axis=0))[:, where])


def _block(loss: ToyLoss, grid: Grid, runs: list[RunSpec]) -> xr.Dataset:
    """Simulate some runs of a grid and label the result."""
    records = _advance(loss, grid, runs)
    rate = np.array([run.learning_rate for run in runs])
    ended, reasons = _endings(records, grid, rate)
    series = {
        "weight_norm": records.weight_norm.T,
        "effective_grad_norm": records.effective_grad_norm.T,
        "train_loss": records.train_loss.T,
    }
    beyond = np.arange(grid.n_records) * grid.record_every >= ended[:, None]
    for values in series.values():
        values[beyond] = np.nan
    if grid.schedule != "constant":
        rates = _recorded_rates(grid, runs, rate)
        series["step_learning_rate"] = np.where(np.isfinite(series["weight_norm"]), rates, np.nan)
    return trajectory.build(
        runs,
        series,
        source="theory",
        model=loss.name,
        data="toy",
        steps_per_epoch=1,
        n_steps=ended.tolist(),
        reasons=reasons,
        record_every=grid.record_every,
        update_rule=_update_rule(grid),
    )


def _update_rule(grid: Grid) -> str:
    if grid.dynamics.sphere:
        return "sphere"
    return "growing" if grid.schedule == "growing" else "sgd"


def _advance(loss: ToyLoss, grid: Grid, runs: list[RunSpec]) -> Records:
    rate = np.array([run.learning_rate for run in runs])
    decay = np.array([run.weight_decay for run in runs])
    seeds = np.array([run.seed for run in runs])
    weights = initial_weights(loss, seeds, grid.initial_norm)
    changing: dict[str, Any] = {}
    if grid.schedule == "growing":
        alpha = _decay_factors(grid, runs)
        changing["growth"] = alpha**-2
        changing["velocity"] = -(1 - alpha) / (rate * alpha) * weights
        rate, decay = rate / alpha, 0 * decay
    elif grid.schedule != "constant":
        changing["rates"] = schedules.factors(grid.schedule, grid.n_steps)
    return toy_ensemble.run(
        loss,
        weights,
        learning_rate=rate,
        weight_decay=decay,
        n_steps=grid.n_steps,
        record_every=grid.record_every,
        dynamics=grid.dynamics,
        seeds=seeds,
        **changing,
    )


def _decay_factors(grid: Grid, runs: list[RunSpec]) -> FloatArray:
    """Alpha of each run: what decay alone multiplies its weights by in one step."""
    momentum = grid.dynamics.momentum
    return np.array(
        [laws.momentum_shrink(run.learning_rate, run.weight_decay, momentum) for run in runs]
    )


def _recorded_rates(grid: Grid, runs: list[RunSpec], rate: FloatArray) -> FloatArray:
    """Learning rate at each recorded step, (n_runs, n_records), where it is not constant."""
    steps = np.arange(grid.n_records) * grid.record_every
    if grid.schedule == "growing":
        with np.errstate(over="ignore"):
            growth = _decay_factors(grid, runs)[:, None] ** (-2.0 * steps - 1)
        return np.asarray(rate[:, None] * growth)
    return np.asarray(rate[:, None] * schedules.factors(grid.schedule, grid.n_steps)[steps])


def _endings(records: Records, grid: Grid, rate: FloatArray) -> tuple[FloatArray, list[str]]:
    """Steps each run did before it left float64's range, and why it ended there."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        elr = rate / records.weight_norm**2
    bad = ~(np.isfinite(records.weight_norm) & np.isfinite(records.train_loss))
    # a gradient that has vanished between its factors is NaN, and the run goes on
    bad |= np.isinf(records.effective_grad_norm) | np.isinf(elr)
    first = np.where(bad.any(axis=0), bad.argmax(axis=0), grid.n_records)
    ended = np.minimum(first * grid.record_every, grid.n_steps)
    reasons = [""] * len(first)
    for run in np.flatnonzero(bad.any(axis=0)):
        norm = records.weight_norm[max(first[run] - 1, 0), run]
        how = "overflowed" if norm > 1 else "vanished"
        reasons[run] = f"the weights {how} by step {ended[run]}, last weight norm {norm:.3g}"
    return ended, reasons
