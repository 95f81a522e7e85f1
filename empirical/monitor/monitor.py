"""Watch the scale-invariant weights in anybody's training loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn
from torch.optim import Optimizer

from empirical.device import machine
from empirical.invariance.isolation import unwrap
from empirical.invariance.search import ScaleInvariance, scale_invariant_parameters
from empirical.monitor import followed, sharding, step_sums, to_dataset
from empirical.monitor.channels import Channels, largest_eps
from empirical.monitor.first_batch import FirstInputs
from empirical.monitor.followed import Followed
from empirical.monitor.optimizer import Awaited, Watched, qualified_name, root_sum_of, stepping
from empirical.monitor.sink import Outlet, Sink
from empirical.monitor.step_log import StepLog, single
from empirical.monitor.update_rule import Rule
from theory import validate
from theory.cycle_models.next_jump import KnownCycles, Outlook, look_ahead
from theory.trajectory import read_runs

EVALUATED = ("test_loss", "test_error")

log = logging.getLogger("sawtooth")


class Monitor:
    """Record norm, effective gradient, rotation and effective learning rate while training.

        >>> import torch
        >>> from sawtooth import Monitor
        >>> layers = [torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2)]
        >>> model = torch.nn.Sequential(*layers)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
        >>> monitor = Monitor(model, optimizer)  # before training
        >>> for _ in range(20):
        ...     optimizer.zero_grad()
        ...     loss = model(torch.randn(32, 4)).square().mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     monitor.step(loss)  # the loss is optional
        >>> monitor.names
        ('0.weight',)
        >>> monitor.save("run.nc")  # for `sawtooth report run.nc`; or monitor.dataset()

    Measurements hang on the optimizer's own hooks, right before and right after its step, not on
    ``monitor.step``. So a record holds the weights and the gradient that the optimizer had
    (unscaled, clipped, accumulated over whatever batches, made by a closure), steps that a
    GradScaler skips leave none, and it does not matter when gradients are set to zero or whether
    weights are changed between steps. ``monitor.step`` only adds the loss. Record t is the state
    before step t, the gradient of step t and the angle of step t.

    Training is not touched: same weights, buffers and random numbers, bit for bit. Nothing waits
    for a GPU but one copy in every 1000 records, which also holds memory down. Where the monitor
    cannot go on it says so once, in the log ``sawtooth`` and in ``reason``; training continues,
    and what was recorded is kept. Weights that one learning rate and decay move are followed as
    one; ``notes`` says what was left out. Networks and optimizers may be wrapped
    (``torch.compile``, data parallel, accelerate, SAM); of weights that are sharded over processes
    each monitor records the norms of the whole, and has to be told their names.

    Args:
        model: any network.
        optimizer: any ``torch.optim.Optimizer`` with a learning rate.
        inputs: a batch, or the positional arguments of the network, to find the scale-invariant
            weights with; see ``scale_invariant_parameters``. By default the first batch that the
            network sees in training, and the search runs at the first step.
        keywords: keyword arguments of the network, with ``inputs``.
        parameters: names of weights that are known to be scale-invariant together, instead.
        every: steps between records.
        eval_every: steps between records of each layer and channel, a multiple of ``every``.
        update_rule: ``lion``, ``adamw``, ... for an optimizer whose class does not say so.
        sink: called as ``sink(values, step)`` with a dict of floats, for a logger: ``weight_norm``,
            ``effective_lr``, ``effective_grad_norm``, ``angular_update``, ``learning_rate``,
            ``weight_decay``, and ``train_loss`` where it is known.
        sink_every: steps between these calls, each of which waits for the device.
        data: name of the data, for the report.
        seed: of the run, for the report.
        steps_per_epoch: optimizer steps in one pass over the data, if epochs are wanted.

    Attributes:
        invariance: evidence for each parameter, once found; None with ``parameters``.
        notes: sentences about invariant weights that are not followed.
        n_steps: optimizer steps seen.
        search_seconds: time that finding the weights took.

    Raises:
        ValueError: for an optimizer without a learning rate, or whose steps cannot be seen; for
            unknown or frozen parameters; with ``inputs`` or ``parameters`` for a network in which
            the optimizer moves no scale-invariant weight.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        inputs: Tensor | Sequence[Any] | None = None,
        keywords: Mapping[str, Any] | None = None,
        parameters: Sequence[str] | None = None,
        every: int = 1,
        eval_every: int = 100,
        update_rule: str | None = None,
        sink: Sink | None = None,
        sink_every: int = 50,
        data: str = "",
        seed: int = 0,
        steps_per_epoch: int = 0,
    ) -> None:
        self.model, self.optimizer = unwrap(model), stepping(optimizer)
        self.rule, self._named = Rule.of(self.optimizer, update_rule), update_rule
        self.every = validate.at_least("every", every, 1)
        self.eval_every = validate.at_least("eval_every", eval_every, 1)
        if eval_every % every:
            raise ValueError(f"eval_every must be a multiple of every = {every}, got {eval_every}")
        self.data, self.seed = data, validate.at_least("seed", seed, 0)
        self.steps_per_epoch = validate.at_least("steps_per_epoch", steps_per_epoch, 0)
        self.invariance: ScaleInvariance | None = None
        self.notes: tuple[str, ...] = ()
        self.n_steps, self.search_seconds = 0, 0.0
        self._ended = self._silence = ""
        self.log = StepLog()
        self.layers: list[tuple[int, dict[str, Tensor]]] = []
        self.channels: Channels | None = None
        self.evaluations: dict[int, dict[str, float]] = {}
        self._outlet = Outlet(sink, validate.at_least("sink_every", sink_every, 1))
        self._followed = Followed((), (), ())
        self._capture: FirstInputs | None = None
        self._seconds, self._started = 0.0, time.perf_counter()
        self._awaited = Awaited()
        self._pending = self._open = self._owes_loss = self._owes_values = False
        self._closure_loss: Any = None
        self._list: list[dict[str, Any]] = []
        self._groups: tuple[Mapping[str, Any], ...] = ()
        self._watched: Watched
        self.sums: step_sums.StepSums
        if parameters is not None:
            units = [(name,) for name in followed.named(model, parameters)]
            self._follow(units, strict=True)
        elif inputs is not None:
            self._search(inputs, keywords)
        else:
            self._capture = FirstInputs(model)
        self._hooks = [
            self.optimizer.register_step_pre_hook(self._before),
            self.optimizer.register_step_post_hook(self._after),
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights that are followed; empty until they are found."""
        return self._followed.names

    @property
    def reason(self) -> str:
        """Why the records end early; "" while they do not."""
        return self._ended or self._silence

    @property
    def overhead(self) -> float:
        """Share of the time since the first step that the monitor took, on the host."""
        return self._seconds / max(time.perf_counter() - self._started, 1e-9)

    def step(self, loss: float | Tensor | None = None) -> None:
        """Give the step that the optimizer has just made its training loss.

        Without a loss it does nothing, nor where the optimizer made no step, as a GradScaler lets
        it at an overflow. The loss that a closure returns is recorded without this; one that is
        given takes its place, as where Lightning's closure returns a share of the loss.

        Raises:
            ValueError: if the loss is not a single number.
        """
        number = None if loss is None else single(loss)
        if self._hooks and self._awaited.overdue() and not self.reason:
            self._silence = self._nothing()
            log.warning("the monitor: %s", self._silence)
        if number is not None and self._owes_loss:
            self._set_loss(number)
            self._owes_loss = False
        self._give_values()

    def evaluate(self, **values: float) -> None:
        """Record ``test_loss`` or ``test_error`` of the present weights.

        Raises:
            ValueError: for another name.
        """
        for name in values:
            if name not in EVALUATED:
                raise ValueError(f"evaluate takes {' and '.join(EVALUATED)}, got {name}")
        numbers = {name: float(value) for name, value in values.items()}
        self.evaluations.setdefault(self.n_steps, {}).update(numbers)

    def dataset(self) -> xr.Dataset:
        """All records so far, in the schema of ``theory.trajectory``.

        Raises:
            ValueError: if there is none, saying why.
        """
        table = self.log.table()
        if not len(table):
            raise ValueError(f"nothing was recorded: {self.reason or self._nothing()}")
        records = to_dataset.Records(
            table=table,
            layers=self.layers,
            channels=self.channels,
            evaluations=self.evaluations,
            rule=self.rule,
            optimizer=qualified_name(self.optimizer),
            named=self._named or "",
            group=self._watched.first,
            changed=self._watched.changed,
            weights=self.names,
            n_weights=self.sums.n_weights,
            every=self.every,
            n_steps=self.n_steps,
            reason=self.reason,
            cut=bool(self._ended),
            model=type(self.model).__name__,
            data=self.data,
            seed=self.seed,
            steps_per_epoch=self.steps_per_epoch,
            evidence=str(self.invariance) if self.invariance else "weights named by the user",
            attributes={
                "optimizer": type(self.optimizer).__name__,
                "notes": "; ".join(self.notes),
                "record_every": self.every,
                "overhead": self.overhead,
                "search_seconds": self.search_seconds,
                "device": str(self.sums.weights[0].device),
                "weights_dtype": str(self.sums.weights[0].dtype).removeprefix("torch."),
                "largest_matrix": _largest_matrix(self.sums.weights),
                "normalisation_eps": largest_eps(self.model),
                "torch": str(torch.__version__),
            },
        )
        return to_dataset.dataset(records)

    def outlook(self, n_steps: int | None = None, *, known: KnownCycles | None = None) -> Outlook:
        """Say when the next jump of the norm comes, from the cycles of this training so far.

        With a calibrated study of the same network ``sawtooth.outlook(monitor.dataset(),
        study="study.nc")`` says it before the first jump too.

        Args:
            n_steps: to look ahead; about an expected period by default.
            known: what is known of the network's cycles already.

        Returns:
            Probability of a jump within any number of steps, median wait and its 90 % interval,
            what would put the jump off, and all this as a sentence.

        Raises:
            ValueError: saying why nothing is told, such as before the first complete period.
        """
        (recorded,) = read_runs(self.dataset()).values()
        return look_ahead(recorded, known, n_steps=n_steps)

    def save(self, path: str | Path) -> None:
        """Write the records to a netCDF file that ``sawtooth report`` reads, atomically.

        A file of a monitor that is there is replaced.

        Raises:
            ValueError: if there are none.
            OSError: if it cannot be written, or something else is there.
        """
        to_dataset.save(Path(path), self.dataset())

    def close(self) -> None:
        """Leave the optimizer and the network; the records stay."""
        while self._hooks:
            self._hooks.pop().remove()
        if self._capture is not None:
            self._capture.remove()

    def _before(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Keep what the step starts from; with a closure, once that has made the gradient.

        A class that calls ``super().step()`` comes here twice in a step; the last time counts.
        """
        self._pending, self._open, self._owes_loss = True, False, False
        if self._ended:
            return None
        if machine.uses_a_gpu() and torch.cuda.is_current_stream_capturing():
            self._stop("a step in a CUDA graph is recorded once and cannot be seen again")
            return None
        self._give_values()
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            self._guarded(self._take)
            return None
        wrapped = self._around(closure)
        if "closure" in kwargs:
            return args, {**kwargs, "closure": wrapped}
        return (args[0], wrapped, *args[2:]), kwargs

    def _around(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """A closure after whose first call the step begins; its result is the loss."""
        calls = 0

        def wrapped() -> Any:
            nonlocal calls
            loss = closure()
            calls += 1
            if calls == 1 and not self._ended:
                self._guarded(self._take)
                self._closure_loss = loss
            return loss

        return wrapped

    def _after(self, optimizer: Optimizer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Measure what the step did."""
        if not self._pending:  # the outer step of a class that called super().step()
            return
        self._pending = False
        if self._open:
            self._guarded(self._measure)
        if self.names or self._ended:
            self.n_steps += 1
            self._awaited.came()
            self._silence = ""

    def _guarded(self, act: Callable[[], None]) -> None:
        """Let nothing that goes wrong here reach the training that is observed."""
        started = time.perf_counter()
        try:
            act()
        except Exception as error:
            text = " ".join(str(error).split())
            known = isinstance(error, ValueError)
            self._stop(text if known else f"{type(error).__name__}: {text}")
        self._seconds += time.perf_counter() - max(started, self._started)

    def _stop(self, reason: str) -> None:
        """End the records, and say so once."""
        self._ended, self._open = f"{reason} (from step {self.n_steps} on)", False
        log.warning("the monitor stops following: %s; training goes on", self._ended)
        if self._capture is not None:
            self._capture.remove()

    def _take(self) -> None:
        """Keep weights and gradient of the step to come, if it is one to be recorded."""
        if self.n_steps % self.every:
            return
        if not self.names and not self._find():
            return
        if getattr(self.optimizer, "grad_scale", None) is not None:
            raise ValueError(
                "a fused optimizer unscales gradients inside its step; "
                "use fused=False with GradScaler"
            )
        if self.log.full and not self.log.flush():
            raise ValueError("what was recorded is not finite")
        if self.optimizer.param_groups is not self._list:
            self._list = self.optimizer.param_groups
            self._groups = self._followed.groups(self.optimizer)
        self._rate, self._decay = followed.rate_and_decay(self._groups)
        followed.check_turns(self._rate, self._decay)
        if self._watched.look(self._groups, self.n_steps):
            followed.check_alike(self._groups)
        self._whole = self.sums.before(self._groups[0], self.optimizer.state)
        self._open = True

    def _measure(self) -> None:
        """Add the record of the step that was made."""
        step, self._open = self.n_steps, False
        shrink = self.rule.shrink(self._rate, self._decay)
        numbers = self.sums.after(shrink)
        self.log.append(numbers, step=step, rate=self._rate, decay=self._decay, whole=self._whole)
        self._owes_values = self._outlet.due(step)
        if step % self.eval_every == 0:
            self.layers.append((step, self._per_layer()))
            if self.channels is None and not self.sums.sharded:
                self.channels = Channels(self.sums, self.names)
            if self.channels is not None:
                self.channels.record(step, shrink)
        loss, self._closure_loss = self._closure_loss, None
        if isinstance(loss, float) or (isinstance(loss, Tensor) and loss.numel() == 1):
            self._set_loss(loss)
        self._owes_loss = True

    def _set_loss(self, loss: float | Tensor) -> None:
        """Add the loss to the last record."""
        if isinstance(loss, Tensor):
            on_host = loss.device.type == "cpu"
            loss = loss.item() if on_host else loss.detach().reshape(()).clone()
        self.log.set_loss(loss)

    def _give_values(self) -> None:
        """Hand the last record to the sink, with the loss if that has come by now."""
        if not self._owes_values:
            return
        self._owes_values = False
        rate, decay = float(self._rate), self._decay
        a = float(self.rule.shrink(rate, decay))
        norms, loss = self.log.last()
        self._outlet.give(self.log.last_step, norms, rate=rate, decay=decay, a=a, loss=loss)

    def _per_layer(self) -> dict[str, Tensor]:
        """Norms of each layer's weights and gradient before the step, on the device.

        For the adaptive optimizers also the sum of the root mean square gradients, from their
        second moments.
        """
        measured = dict(zip(("weights", "gradient"), self.sums.layers(), strict=True))
        root_sum = root_sum_of(
            [self.optimizer.state.get(weight, {}) for weight in self.sums.weights],
            self._groups[0],
        )
        if root_sum is not None and not self.sums.sharded:
            measured["root_sum"] = root_sum
        return measured

    def _find(self) -> bool:
        """Search with the first batch; says whether weights were found, not yet without gradients.

        Raises:
            ValueError: if no batch was seen, or nothing is found.
        """
        kept = self._capture.kept if self._capture is not None else None
        if kept is None:
            if all(p.grad is None for p in self.model.parameters()):
                return False
            raise ValueError(
                "no forward pass of the network was seen before optimizer.step(); "
                "give Monitor inputs=batch, or parameters=names"
            )
        self._search(*kept)
        self._started = time.perf_counter()
        return True

    def _search(self, inputs: Any, keywords: Mapping[str, Any] | None) -> None:
        """Find the scale-invariant weights by measurement."""
        started = time.perf_counter()
        try:
            self.invariance = scale_invariant_parameters(self.model, inputs, keywords=keywords)
        except ValueError as error:
            raise ValueError(f"{error}; give Monitor inputs=batch, or parameters=names") from error
        self.search_seconds = time.perf_counter() - started
        if not self.invariance.units:
            raise ValueError(
                "the network has no scale-invariant weight that is trained; "
                "print(scale_invariant_parameters(model, inputs)) shows the evidence"
            )
        self._follow(self.invariance.units, strict=False)

    def _follow(self, units: Sequence[tuple[str, ...]], *, strict: bool) -> None:
        """Choose the weights that one setting of the optimizer moves."""
        parameters = dict(self.model.named_parameters())
        found = followed.follow(self.optimizer, units, parameters, strict=strict)
        self._list, self._groups = self.optimizer.param_groups, found.groups(self.optimizer)
        self.rule = Rule.of(self.optimizer, self._named, group=self._groups[0])
        self._watched = Watched(self._groups)
        reduce = sharding.over_ranks(self.model, found.weights)
        self.sums = step_sums.StepSums(found.weights, heavy=self.rule.heavy, reduce=reduce)
        self._followed, self.notes = found, found.left_out

    def _nothing(self) -> str:
        """What to say where no step has been seen."""
        name = type(self.optimizer).__name__
        since = f" since step {self.n_steps - 1}" if self.n_steps else ""
        return (
            f"the optimizer has made no step{since} ({name}.step was not called with gradients); "
            "if another object makes the steps, give Monitor that one; if gradients of very many "
            "batches are accumulated, this is soon over"
        )


def _largest_matrix(weights: Sequence[Tensor]) -> str:
    """Rows and columns of the weight with the most elements, as ``64x128``."""
    largest = max(weights, key=Tensor.numel)
    rows = len(largest) if largest.ndim > 1 else 1
    return f"{rows}x{max(largest.numel(), 1) // max(rows, 1)}"
