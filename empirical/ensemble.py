"""Many runs trained as one: stacked weights, batched products, one optimizer step for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from empirical.data import ImageData
from empirical.models import ScaleInvariantMLP
from theory.trajectory import RunSpec

RECORDED = ("train_loss", "weight_norm", "effective_grad_norm", "angular_update")
EVALUATED = ("test_loss", "test_error")


def run_generators(seed: int) -> tuple[Generator, Generator]:
    """Independent generators for the initialisation and the data order of one run."""
    streams = np.random.SeedSequence(seed).spawn(2)
    init, order = (
        Generator().manual_seed(int(stream.generate_state(1, np.uint64)[0] >> 1))
        for stream in streams
    )
    return init, order


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


class Ensemble:
    """Runs of one architecture on one data set that differ in rate, decay and seed.

    Each run has its own learning rate, decay, initialisation and data order and is the run one
    gets by training it alone with the same seed: on a CPU bit for bit, elsewhere to float32
    rounding. A run leaves the ensemble when it reaches its own number of steps or when it is no
    longer finite.

    The optimizer is SGD with coupled decay, ``w' = w - lr * (grad + wd * w)``, as in torch.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        model: ScaleInvariantMLP,
        data: ImageData,
        *,
        batch_size: int,
        eval_every: int,
        device: torch.device,
    ) -> None:
        n_train = len(data.train_images)
        if not 1 <= batch_size <= n_train:
            raise ValueError(f"batch_size must be in 1 .. {n_train}, got {batch_size}")
        self.runs = list(runs)
        self.model = model
        self.batch_size = batch_size
        self.eval_every = eval_every
        self.device = device
        self.train_inputs = data.normalise(data.train_images.to(device)).flatten(1)
        self.train_labels = data.train_labels.to(device)
        self.test_inputs = data.normalise(data.test_images.to(device)).flatten(1)
        self.test_labels = data.test_labels.to(device)

        generators = [run_generators(run.seed) for run in self.runs]
        self.order_generators = [order for _, order in generators]
        networks = [model.initialise(init) for init, _ in generators]
        self.step = 0
        self.end = torch.tensor([run.n_steps for run in self.runs])
        self.reasons = [""] * len(self.runs)
        self.records: list[Record] = []
        self.evaluations: list[Record] = []
        self.rows = torch.arange(len(self.runs))
        self.weights = torch.stack([weights for weights, _ in networks]).to(device)
        self.order = torch.empty(len(self.runs), n_train, dtype=torch.int32)
        self._all_last = torch.stack([last for _, last in networks]).to(device)
        self._bind()

    def _bind(self) -> None:
        """Rebuild what follows from the active rows: leaf views, last layers, rates, norms."""
        self.layers = [part.requires_grad_() for part in self.model.unpack(self.weights)]
        self.last = self._all_last[self.rows]
        self.norm = _norms([layer.detach() for layer in self.layers])
        active = [self.runs[row] for row in self.rows.tolist()]
        column = (len(active), 1)
        self.learning_rate = torch.tensor([run.learning_rate for run in active], device=self.device)
        self.learning_rate = self.learning_rate.view(column)
        self.weight_decay = torch.tensor([run.weight_decay for run in active], device=self.device)
        self.weight_decay = self.weight_decay.view(column)

    def _keep(self, keep: Tensor) -> None:
        """Drop the active runs where ``keep`` is False."""
        if not bool(keep.all()):
            self.rows = self.rows[keep]
            self.order = self.order[keep]
            self.weights = self.weights.detach()[keep.to(self.device)]
            self._bind()

    @property
    def done(self) -> bool:
        """Whether every run has ended."""
        return len(self.rows) == 0

    def next_stop(self, n_steps: int) -> int:
        """Last step of the next chunk: at most n_steps on, and no run ends inside it."""
        return min(self.step + n_steps, int(self.end[self.rows].min()))

    def advance(self, n_steps: int) -> int:
        """Train all active runs for at most n_steps, stopping early where a run ends.

        Returns:
            The number of steps done.
        """
        start, stop = self.step, self.next_stop(n_steps)
        shape = (len(RECORDED), stop - start, len(self.rows))
        values = torch.empty(shape, dtype=torch.float64, device=self.device)
        for i in range(stop - start):
            if self.step % self.eval_every == 0:
                self.evaluations.append(Record(self.step, self.rows, self._evaluate()[:, None]))
            values[:, i] = self._train_step()
            self.step += 1
        record = Record(start, self.rows, values.cpu())
        self.records.append(record)
        self._retire(record)
        return stop - start

    def _retire(self, record: Record) -> None:
        """End the runs that reached their length or stopped being finite in this chunk."""
        bad_steps = ~record.values.isfinite().all(dim=0)
        bad_runs = bad_steps.any(dim=0)
        for column in bad_runs.nonzero().flatten().tolist():
            first = int(bad_steps[:, column].nonzero()[0])
            quantities = ~record.values[:, first, column].isfinite()
            row = int(self.rows[column])
            self.end[row] = record.start + first
            self.reasons[row] = (
                f"{RECORDED[int(quantities.nonzero()[0])]} was not finite "
                f"at step {record.start + first}"
            )
        self._keep(~bad_runs & (self.end[self.rows] > self.step))

    def _next_batch(self) -> Tensor:
        """Indices of this step's examples, (n_active, batch).

        An epoch is a fresh permutation cut into full batches; the remainder is left out, for a
        short batch is a noisier one and blurs the sawtooth.
        """
        n_train = len(self.train_labels)
        batches_per_epoch = n_train // self.batch_size
        batch = self.step % batches_per_epoch
        if batch == 0:
            for i, row in enumerate(self.rows.tolist()):
                self.order[i] = torch.randperm(n_train, generator=self.order_generators[row])
        chosen = self.order[:, batch * self.batch_size : (batch + 1) * self.batch_size]
        return chosen.to(self.device)

    def _train_step(self) -> Tensor:
        """One SGD step of every active run; returns the RECORDED scalars, (4, n_active)."""
        batch = self._next_batch()
        logits = self.model.logits(self.layers, self.last, self.train_inputs[batch])
        losses = F.cross_entropy(logits, self.train_labels[batch], reduction="none").mean(dim=1)
        per_layer = torch.autograd.grad(losses.sum(), self.layers)
        with torch.no_grad():
            gradient = torch.cat([part.flatten(1) for part in per_layer], dim=1)
            norm, gradient_norm = self.norm, _norms(per_layer)
            direction = self.weights / norm[:, None].float()
            gradient.addcmul_(self.weights, self.weight_decay)
            self.weights.addcmul_(gradient, self.learning_rate, value=-1)
            self.norm = _norms(self.layers)
            moved = self.weights / self.norm[:, None].float()
            chord = _norms(self.model.unpack(moved.sub_(direction)))
            angle = 2 * torch.asin(chord / 2)
        return torch.stack([losses.detach().double(), norm, norm * gradient_norm, angle])

    @torch.no_grad()
    def _evaluate(self) -> Tensor:
        """Test loss and error of the active runs, (2, n_active), on the host."""
        logits = self.model.population_logits(
            self.layers, self.last, self.train_inputs, self.test_inputs
        )
        labels = self.test_labels.expand(len(self.rows), -1)
        loss = F.cross_entropy(logits, labels, reduction="none").mean(dim=1)
        error = (logits.argmax(dim=1) != labels).double().mean(dim=1)
        return torch.stack([loss.double(), error]).cpu()

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs, as tensors and plain values."""
        return {
            "step": self.step,
            "rows": self.rows,
            "weights": self.weights.detach(),
            "order": self.order,
            "generators": [generator.get_state() for generator in self.order_generators],
            "end": self.end,
            "reasons": self.reasons,
            "records": [vars(record) for record in self.records],
            "evaluations": [vars(record) for record in self.evaluations],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a ``state()`` of the same runs."""
        self.step = state["step"]
        self.rows = state["rows"]
        self.order = state["order"]
        self.end = state["end"]
        self.reasons = state["reasons"]
        self.weights = state["weights"].to(self.device)
        self.records = [Record(**fields) for fields in state["records"]]
        self.evaluations = [Record(**fields) for fields in state["evaluations"]]
        for generator, saved in zip(self.order_generators, state["generators"], strict=True):
            generator.set_state(saved)
        self._bind()


def _norms(layers: Sequence[Tensor]) -> Tensor:
    """Norm of each run's weights from its layers (n_runs, out, ...), float64, (n_runs,).

    Rows are summed in float32, their squares in float64: as exact as a sum in float64, for rounding
    averages out over rows, and free of a copy in float64.
    """
    squares = [
        torch.linalg.vector_norm(layer.flatten(2), dim=2).double().square().sum(dim=1)
        for layer in layers
    ]
    return torch.stack(squares).sum(dim=0).sqrt()
