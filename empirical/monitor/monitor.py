"""Watch the scale-invariant weights in anybody's training loop."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn
from torch.optim import Optimizer

from empirical.invariance.search import ScaleInvariance, scale_invariant_parameters
from empirical.monitor import step_sums, to_dataset
from empirical.monitor.first_batch import FirstInputs
from empirical.monitor.step_log import StepLog
from empirical.monitor.update_rule import Followed, Rule, follow
from theory import files, validate

EVALUATED = ("test_loss", "test_error")


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
    (unscaled, clipped, accumulated over whatever batches), steps that a GradScaler skips leave
    none, and it does not matter when gradients are set to zero or whether weights are changed
    between steps. ``monitor.step`` only adds the loss. Record t is the state before step t, the
    gradient of step t and the angle of step t.

    Training is not touched: same weights, buffers and random numbers. Nothing waits for a GPU but
    one copy in every 1000 records, which also holds memory down. Weights that one
    learning rate and decay move are followed as one; ``notes`` says what was left out.

    Args:
        model: any network.
        optimizer: any ``torch.optim.Optimizer`` with a learning rate.
        inputs: a batch, or the positional arguments of the network, to find the scale-invariant
            weights with; see ``scale_invariant_parameters``. By default a few examples of the first
            batch that the network sees in training, and the search runs at the first step.
        keywords: keyword arguments of the network, with ``inputs``.
        parameters: names of weights that are known to be scale-invariant together, instead.
        every: steps between records. Only consecutive records can be held to the exact laws.
        eval_every: steps between records of each layer, a multiple of ``every``.
        update_rule: ``lion``, ``adamw``, ... for an optimizer whose class does not say so.
        data: name of the data, for the report.
        seed: of the run, for the report.
        steps_per_epoch: optimizer steps in one pass over the data, if epochs are wanted.

    Attributes:
        invariance: evidence for each parameter, once found; None with ``parameters``.
        notes: sentences about invariant weights that are not followed.
        n_steps: optimizer steps seen.
        search_seconds: time that finding the weights took.

    Raises:
        ValueError: for an optimizer without a learning rate, unknown or frozen parameters, or a
            network in which the optimizer moves no scale-invariant weight.
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
        data: str = "",
        seed: int = 0,
        steps_per_epoch: int = 0,
    ) -> None:
        self.rule, self._named = Rule.of(optimizer, update_rule), update_rule
        self.every = validate.at_least("every", every, 1)
        self.eval_every = validate.at_least("eval_every", eval_every, 1)
        if eval_every % every:
            raise ValueError(f"eval_every must be a multiple of every = {every}, got {eval_every}")
        self.model, self.optimizer = model, optimizer
        self.data, self.seed = data, validate.at_least("seed", seed, 0)
        self.steps_per_epoch = validate.at_least("steps_per_epoch", steps_per_epoch, 0)
        self.invariance: ScaleInvariance | None = None
        self.notes: tuple[str, ...] = ()
        self.n_steps, self.search_seconds, self.reason = 0, 0.0, ""
        self.first_group = dict(optimizer.param_groups[0])
        self.log = StepLog()
        self.layers: list[tuple[int, dict[str, Tensor]]] = []
        self.evaluations: dict[int, dict[str, float]] = {}
        self._followed = Followed((), (), ())
        self._capture: FirstInputs | None = None
        self._open, self._seconds, self._started = False, 0.0, time.perf_counter()
        if parameters is not None:
            self._follow([(name,) for name in _known(model, parameters)], strict=True)
        elif inputs is not None:
            self._search(inputs, keywords)
        else:
            self._capture = FirstInputs(model)
        self._hooks = (
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights that are followed; empty until they are found."""
        return self._followed.names

    @property
    def overhead(self) -> float:
        """Share of the time since the first step that the monitor took, on the host."""
        return self._seconds / max(time.perf_counter() - self._started, 1e-9)

    def step(self, loss: float | Tensor | None = None) -> None:
        """Give the step that the optimizer has just made its training loss.

        Without a loss it does nothing, nor where the optimizer made no step, as a GradScaler lets
        it at an overflow.

        Raises:
            ValueError: before any backward pass, or if the loss is not a single number.
        """
        if self.n_steps == 0 and all(p.grad is None for p in self.model.parameters()):
            raise ValueError(
                "monitor.step() comes after loss.backward() and optimizer.step(), "
                "and no gradient has been computed yet"
            )
        if loss is None or self.n_steps == 0 or self.log.last_step != self.n_steps - 1:
            return
        if isinstance(loss, Tensor):
            if loss.numel() != 1:
                raise ValueError(f"loss must be a single number, got shape {tuple(loss.shape)}")
            on_host = loss.device.type == "cpu"
            loss = loss.item() if on_host else loss.detach().reshape(()).clone()
        self.log.set_loss(loss)

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
            ValueError: if there is none.
        """
        return to_dataset.dataset(
            to_dataset.Records(
                table=self.log.table(),
                layers=self.layers,
                evaluations=self.evaluations,
                rule=self.rule,
                group=self.first_group,
                weights=self.names,
                n_weights=sum(weight.numel() for weight in self.sums.weights),
                every=self.every,
                n_steps=self.n_steps,
                reason=self.reason,
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
                    "torch": str(torch.__version__),
                },
            )
        )

    def save(self, path: str | Path) -> None:
        """Write the records to a netCDF file that ``sawtooth report`` reads, atomically.

        Raises:
            ValueError: if there are none.
            OSError: if it cannot be written.
        """
        files.write_dataset(Path(path), self.dataset())

    def close(self) -> None:
        """Leave the optimizer and the network; the records stay."""
        for hook in self._hooks:
            hook.remove()
        if self._capture is not None:
            self._capture.remove()

    def _before(self, optimizer: Optimizer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Keep what the step starts from."""
        if self.n_steps % self.every or self.reason:
            return
        if self.n_steps == 0:
            _check_call(optimizer, args, kwargs)
            if self._capture is not None:
                self._search(*self._capture.take())
            self._started = time.perf_counter()
        started = time.perf_counter()
        if self.log.full and not self.log.flush():
            self.reason = "not finite"
            return
        try:
            self._rate, self._decay = self._followed.rate_and_decay()
        except ValueError as error:
            self.reason = f"{error} from step {self.n_steps} on"
            return
        self.sums.before(self._followed.groups[0], optimizer.state)
        self._open = True
        self._seconds += time.perf_counter() - started

    def _after(self, optimizer: Optimizer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Measure what the step did."""
        step = self.n_steps
        self.n_steps += 1
        if not self._open:
            return
        started = time.perf_counter()
        shrink = 1 - self._rate * self._decay if self.rule.decoupled else 1.0
        self.log.append(self.sums.after(shrink), step=step, rate=self._rate, decay=self._decay)
        if step % self.eval_every == 0:
            self.layers.append((step, self._per_layer()))
        self._open = False
        self._seconds += time.perf_counter() - started

    def _per_layer(self) -> dict[str, Tensor]:
        """Norms of each layer's weights and gradient before the step, on the device.

        For Adam also the sum of the root mean square gradients, from its second moments.
        """
        measured = dict(zip(("weights", "gradient"), self.sums.layers(), strict=True))
        if self.rule.name == "adam":
            states = [self.optimizer.state[weight] for weight in self.sums.weights]
            beta2 = float(self.first_group["betas"][1])
            roots = [
                one["exp_avg_sq"].sqrt().sum().double() / (1 - beta2 ** float(one["step"])) ** 0.5
                for one in states
                if "exp_avg_sq" in one
            ]
            if roots:
                measured["root_sum"] = torch.stack(roots).sum()
        return measured

    def _search(self, inputs: Any, keywords: Mapping[str, Any] | None) -> None:
        """Find the scale-invariant weights by measurement."""
        started = time.perf_counter()
        with torch.enable_grad():
            self.invariance = scale_invariant_parameters(self.model, inputs, keywords=keywords)
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
        self._followed = follow(self.optimizer, units, parameters, strict=strict)
        self.notes = self._followed.left_out
        self.first_group = dict(self._followed.groups[0])
        self.rule = Rule.of(self.optimizer, self._named, group=self.first_group)
        weights = [parameters[name] for name in self._followed.names]
        self.sums = step_sums.StepSums(weights, heavy=self.rule.heavy)


def _known(model: nn.Module, names: Sequence[str]) -> Sequence[str]:
    """The names, if they are trained parameters.

    Raises:
        ValueError: if a name is unknown or frozen, or none is given.
    """
    parameters = dict(model.named_parameters())
    for name in names:
        if name not in parameters:
            raise ValueError(
                f"the network has no parameter {name!r}; it has {', '.join(parameters)}"
            )
        if not parameters[name].requires_grad:
            raise ValueError(f"parameter {name!r} is frozen")
    if not names:
        raise ValueError("parameters must name at least one weight, got none")
    return names


def _check_call(optimizer: Optimizer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse ways of calling ``optimizer.step`` in which the gradient is not there yet.

    Raises:
        ValueError: saying what to do instead.
    """
    closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
    if closure is not None:
        raise ValueError(
            "optimizer.step(closure) computes the gradient inside; "
            "the monitor needs loss.backward() before optimizer.step()"
        )
    if getattr(optimizer, "grad_scale", None) is not None:
        raise ValueError(
            "a fused optimizer unscales gradients inside its step; use fused=False with GradScaler"
        )
