"""The columns of a log, as far as they were logged."""

import re
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from theory.arrays import FloatArray

ADAPTIVE = ("adam", "amsgrad", "rmsprop", "adagrad", "adafactor", "adadelta", "lamb")  # in a name
PLAIN = ("sgd", "sgdm", "sgdw", "gd", "momentum", "nesterov")  # words of it


# What a user calls a field, where a column and an option have another name.
CALLED = {"learning_rate": "lr", "weight_decay": "wd"}
EVERY = "a log of every step"


@dataclass(frozen=True, eq=False)
class Signals:
    """A run as its log tells it; series have one entry a record, (n_records,).

    Attributes:
        step: optimizer step of each record, increasing.
        loss: training loss, finite.
        learning_rate: eta of the step.
        weight_decay: lam of the step.
        weight_norm: norm of the weights.
        grad_norm: norm of the gradient.
        last_layer_norm: norm of the weights of the last layer.
        steps_per_epoch: optimizer steps in one pass over the data.
        momentum: heavy-ball coefficient.
        optimizer: name of the optimizer in lower case, "" if unknown.
        beta2: decay of Adam's second moment.
        lost_at: step from which on the loss is no finite number to the end, None if it is one.
        notes: what was left out of the log, a sentence each.

    Raises:
        ValueError: if a number is out of range.
    """

    step: FloatArray
    loss: FloatArray
    learning_rate: FloatArray | None = None
    weight_decay: FloatArray | None = None
    weight_norm: FloatArray | None = None
    grad_norm: FloatArray | None = None
    last_layer_norm: FloatArray | None = None
    steps_per_epoch: float | None = None
    momentum: float | None = None
    optimizer: str = ""
    beta2: float | None = None
    lost_at: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.steps_per_epoch is not None and not self.steps_per_epoch > 0:
            raise ValueError(f"steps_per_epoch must be above 0, got {self.steps_per_epoch:g}")
        for name, value in (("beta2", self.beta2 or 0.0), ("momentum", self.momentum or 0.0)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {value:g}")
        for name in ("learning_rate", "weight_decay"):
            values = getattr(self, name)
            if values is not None and not (values >= 0).all():
                raise ValueError(f"{name} must not be negative, got {values.min():g}")
        if self.learning_rate is not None and self.weight_decay is not None:
            largest = float((self.learning_rate * self.weight_decay).max(initial=0.0))
            if largest >= 1:
                raise ValueError(f"lr times wd must be below 1, got {largest:g}")

    def until(self, record: int) -> "Signals":
        """The log before a record."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        cut: dict[str, Any] = {
            key: value[:record] for key, value in held.items() if isinstance(value, np.ndarray)
        }
        return replace(self, **cut, lost_at=None)

    @property
    def n_records(self) -> int:
        """Number of records."""
        return len(self.step)

    @cached_property
    def every(self) -> float:
        """Steps between records, the median."""
        return float(np.median(np.diff(self.step))) if self.n_records > 1 else 1.0

    @cached_property
    def log_loss(self) -> FloatArray:
        """Logarithm of the loss; of the loss above its minimum where it is not positive.

        A loss that underflows to 0 counts as the smallest that is positive.
        """
        loss = self.loss
        if (loss < 0).any():
            loss = loss - loss.min() + 1e-3 * (np.quantile(loss, 0.95) - loss.min())
        positive = loss[loss > 0]
        floor = positive.min() if len(positive) else 1.0
        return np.asarray(np.log(np.maximum(loss, floor)))

    @property
    def adaptive(self) -> bool | None:
        """Whether the optimizer divides by a second moment; None if its name does not say."""
        return is_adaptive_by_name(self.optimizer)

    def lacking(self, *names: str) -> str:
        """What of these fields is not there, to be asked for, "" if nothing is.

        Args:
            names: of fields; ``every`` for a log of every step.
        """
        return "; ".join(filter(None, map(self._ask_for, names)))

    def _ask_for(self, name: str) -> str:
        if name == "every":
            return EVERY if self.every > 1 else ""
        if name == "optimizer" and self.optimizer and self.adaptive is None:
            return f"whether {self.optimizer} divides by a second moment, as adam, or not, as sgd"
        value = getattr(self, name)
        is_there = value is not None if name != "optimizer" else self.adaptive is not None
        return "" if is_there else CALLED.get(name, name)

    @property
    def full_batch(self) -> bool | None:
        """Whether each step sees all data."""
        return None if self.steps_per_epoch is None else self.steps_per_epoch <= 1


def is_adaptive_by_name(optimizer: str) -> bool | None:
    """Whether an optimizer divides by a second moment; None if its name does not say.

    Args:
        optimizer: its name in lower case.
    """
    if any(name in optimizer for name in ADAPTIVE):
        return True
    words = re.split(r"[^a-z0-9]+", optimizer)
    return False if set(words) & set(PLAIN) else None
