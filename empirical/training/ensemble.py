"""Many runs trained as one: stacked weights, one optimizer step for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from empirical.data.batches import Batches
from empirical.data.images import ImageData
from empirical.device import precision
from empirical.device.alignment import padded
from empirical.device.cuda_graphs import CUDARecorder, Replay
from empirical.networks.by_name import Network
from empirical.training.checkpoint import check_like
from empirical.training.evaluation import Evaluator, Shelf
from empirical.training.recipe import Recipe
from empirical.training.sgd import SGD, norms
from empirical.training.step import Step
from theory.laws import schedules
from theory.trajectory import RunSpec

LARGEST = 1e30  # of what is recorded: beyond it, float32 is about to overflow


def run_generators(seed: int) -> tuple[Generator, Generator, Generator]:
    """Independent generators for the initialisation, data order and augmentation of one run."""
    streams = np.random.SeedSequence(seed).spawn(3)
    init, order, views = (
        Generator().manual_seed(int(stream.generate_state(1, np.uint64)[0] >> 1))
        for stream in streams
    )
    return init, order, views


@dataclass
class Record:
    """Scalars of consecutive steps of the runs that were active.

    Attributes:
        start: first step.
        rows: indices of the active runs, (n_active,).
        values: (n_quantities, n_steps, n_active), float64.
    """

    start: int
    rows: Tensor
    values: Tensor


@dataclass
class Evaluation:
    """What was measured at one step of the runs that were active.

    Attributes:
        step: the step, measured before it was made.
        rows: indices of the active runs, (n_active,).
        values: quantities by name, (n_active, ...) each.
    """

    step: int
    rows: Tensor
    values: dict[str, Tensor]


class Ensemble:
    """Runs of one recipe that differ in rate, decay, momentum and seed.

    Each run has its own initialisation and data order and is the run one gets by training it
    alone with the same seed: on a CPU bit for bit, elsewhere to float32 rounding. A run leaves the
    ensemble when it reaches its own number of steps or when it is no longer finite.

    Args:
        runs: the runs.
        recipe: what they have in common.
        network: their architecture.
        data: the images.
        eval_every: steps between evaluations.
        device: where to train.
        graphs: on a GPU, record a step as a CUDA graph and replay it. The numbers are the same,
            but for kernels that do not add in a fixed order.

    Attributes:
        optimizer: what moves the weights.
        store: is given what each chunk of steps has recorded; puts it in ``records`` by itself.

    Raises:
        ValueError: if the recipe cannot train one of the runs or does not fit the data.
    """

    optimizer: type[SGD] = SGD

    def __init__(
        self,
        runs: Sequence[RunSpec],
        recipe: Recipe,
        network: Network,
        data: ImageData,
        *,
        eval_every: int,
        device: torch.device,
        graphs: bool = True,
    ) -> None:
        for run in runs:
            recipe.check_run(run.weight_decay, run.momentum)
        self.runs, self.recipe = list(runs), recipe
        self.network = network.to(device, precision.dtype(recipe.precision))
        self.eval_every, self.device = eval_every, device
        generators = [run_generators(run.seed) for run in self.runs]
        _, order, views = zip(*generators, strict=True)
        self.batches = Batches(data, recipe, order, views, device)
        self.evaluator = Evaluator(network, recipe, self.batches)
        self.step = 0
        self.end = torch.tensor([run.n_steps for run in self.runs])
        self.reasons = [""] * len(self.runs)
        self.records: list[Record] = []
        self.store: Callable[[Record], object] = self.records.append
        self.evaluations: list[Evaluation] = []
        self.shelf = Shelf()
        self.rows = torch.arange(len(self.runs))
        networks = [network.initialise(init) for init, _, _ in generators]
        self.weights, self._all_frozen = (
            padded(torch.stack(parts).to(device, self.batches.dtype))
            for parts in zip(*networks, strict=True)
        )
        self._set_initial_norm()
        self._sphere_norm = norms(network.invariant.split(self.weights))
        moving = any(run.momentum for run in self.runs)
        self.momentum_buffer = torch.zeros_like(self.weights) if moving else None
        graphs = graphs and device.type == "cuda" and not network.separate
        self.recorder = CUDARecorder(device) if graphs else None
        self.refused, self.n_replayed = "", 0  # see ``empirical.device.cuda_graphs.Replay``
        self._bind()

    def _set_initial_norm(self) -> None:
        """Scale the scale-invariant weights to the norm that the recipe asks for."""
        if self.recipe.initial_norm:
            invariant = self.network.invariant
            factor = self.recipe.initial_norm / norms(invariant.split(self.weights))
            self.weights[:, : invariant.n_weights] *= factor[:, None].to(self.weights.dtype)

    def _bind(self) -> None:
        """Rebuild what follows from the active rows: frozen weights, optimizer, step."""
        self.frozen = self._all_frozen[self.rows.to(self.device)]
        self.active = [self.runs[row] for row in self.rows.tolist()]
        self.sgd = self.optimizer(
            self.active,
            self.recipe,
            self.network.invariant,
            self.weights,
            sphere_norm=self._sphere_norm[self.rows.to(self.device)],
            momentum_buffer=self.momentum_buffer,
        )
        self.one = Step(self.network, self.recipe, self.batches, self.sgd, self.frozen)
        self.leaves = self.one.leaves
        self.replay = Replay(self.one, None if self.refused else self.recorder)

    def _keep(self, keep: Tensor) -> None:
        """Drop the active runs where ``keep`` is False."""
        if not bool(keep.all()):
            self.replay.release()
            self.rows = self.rows[keep]
            kept = keep.to(self.device)
            self.weights = self.weights[kept]
            if self.momentum_buffer is not None:
                self.momentum_buffer = self.momentum_buffer[kept]
            self._bind()

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the scalars recorded at every step."""
        scheduled = () if self.recipe.schedule == "constant" else ("step_learning_rate",)
        return ("train_loss", *self.sgd.recorded, *scheduled)

    @property
    def done(self) -> bool:
        """Whether every run has ended."""
        return len(self.rows) == 0

    def next_stop(self, n_steps: int) -> int:
        """Last step of the next chunk: at most n_steps on, and no run ends inside it."""
        most = min(n_steps, self.one.capacity)
        return min(self.step + most, int(self.end[self.rows].min()))

    def advance(self, n_steps: int) -> int:
        """Train all active runs for at most n_steps, stopping early where a run ends.

        Returns:
            The number of steps done.
        """
        start, stop = self.step, self.next_stop(n_steps)
        draws, rates = self.batches.draw(start, stop, self.rows.tolist()), self._rates(start, stop)
        self.one.load(draws, rates.to(self.batches.dtype))
        replayed = self.replay.n_replayed
        self._train_until(stop)
        values = self.one.recorded(stop - start)
        if self.recipe.schedule != "constant":
            values = torch.cat([values, rates[None, ..., 0]])
        record = Record(start, self.rows, values)
        self.store(record)
        self.refused = self.replay.refused or self.refused
        self.n_replayed += self.replay.n_replayed - replayed
        self._retire(record)
        return stop - start

    def _train_until(self, stop: int) -> None:
        """Do the loaded steps; nothing here waits for the device but evaluations."""
        while self.step < stop:
            evaluating = self.step % self.eval_every == 0
            if evaluating:
                self._begin()
                measured, before = self._measure(), self.weights.clone()
            self._begin()
            self.replay(self.batches.size_at(self.step))
            if evaluating:
                layers = (self.network.layers.split(flat) for flat in (before, self.sgd.gradient))
                measured |= self.evaluator.per_layer(*layers)
                n_left = -(-(int(self.end[self.rows].max()) - self.step) // self.eval_every)
                kept = self.shelf.keep(measured, n_left)
                self.evaluations.append(Evaluation(self.step, self.rows, kept))
            self.step += 1

    def _begin(self) -> None:
        """Give passes that draw random numbers those of this run and step."""
        if self.network.separate:
            self.network.begin(self.active[0].seed, self.step)

    def _measure(self) -> dict[str, Tensor]:
        """What is measured before a step, in the arithmetic of the weights."""
        with precision.of("float32", self.device):
            return self.evaluator.before(self.leaves, self.frozen)

    def _rates(self, start: int, stop: int) -> Tensor:
        """Learning rates of a chunk's steps, (n_steps, n_active, 1), float64 on the CPU."""
        steps, name = np.arange(start, stop), self.recipe.schedule
        rates = [
            schedules.learning_rates(
                name, run.learning_rate, run.weight_decay, run.n_steps, steps=steps
            )
            for run in self.active
        ]
        return torch.from_numpy(np.stack(rates, axis=1)[..., None])

    def _retire(self, record: Record) -> None:
        """End the runs that reached their length or stopped being finite in this chunk."""
        # not the rates: of the growing twin they leave the range of float32 as they should
        measured = record.values[: 1 + len(self.sgd.recorded)]
        bad = ~(measured.abs() <= LARGEST)
        bad_steps = bad.any(dim=0)
        bad_runs = bad_steps.any(dim=0)
        for column in bad_runs.nonzero().flatten().tolist():
            first = int(bad_steps[:, column].nonzero()[0])
            quantities = bad[:, first, column]
            quantity = int(quantities.nonzero()[0])
            finite = bool(record.values[quantity, first, column].isfinite())
            row = int(self.rows[column])
            self.end[row] = record.start + first
            self.reasons[row] = (
                f"{self.recorded[quantity]} was "
                f"{f'above {LARGEST:g}' if finite else 'not finite'} at step {record.start + first}"
            )
        self._keep(~bad_runs & (self.end[self.rows] > self.step))

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs but what was kept, as tensors and plain values."""
        return {
            "step": self.step,
            "rows": self.rows,
            "weights": self.weights,
            "momentum_buffer": self.momentum_buffer,
            "batches": self.batches.state(),
            "buffers": self.network.state() if self.network.separate else {},
            "end": self.end,
            "reasons": self.reasons,
            "evaluations": [vars(evaluation) for evaluation in self.evaluations],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a ``state()`` of the same runs.

        Raises:
            ValueError: if what it holds does not fit together.
        """
        self.replay.release()
        self.step = state["step"]
        self.rows = state["rows"]
        self.end = state["end"]
        self.reasons = state["reasons"]
        self.weights = padded(state["weights"].to(self.device))
        buffer = state["momentum_buffer"]
        self.momentum_buffer = None if buffer is None else padded(buffer.to(self.device))
        self.evaluations = [Evaluation(**fields) for fields in state["evaluations"]]
        self._check_restored()
        self.batches.restore(state["batches"])
        self.network.restore(state["buffers"])
        self._bind()

    def _check_restored(self) -> None:
        """Refuse weights or evaluations that are not those of so many steps of these runs."""
        n_rows = len(self.rows)
        if len(self.weights) != n_rows or not set(self.rows.tolist()) <= set(range(len(self.runs))):
            raise ValueError(f"weights of {len(self.weights)} runs, rows {self.rows.tolist()}")
        for one in self.evaluations:
            like_it = Evaluation(0, self.rows, self.evaluator.like(len(one.rows)))
            check_like(vars(one), vars(like_it), "evaluation")
        evaluated = [one.step for one in self.evaluations]
        if evaluated != list(range(0, self.step, self.eval_every)):
            raise ValueError(f"evaluations of {evaluated} up to step {self.step}")
