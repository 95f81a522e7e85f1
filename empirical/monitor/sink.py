"""Numbers of a step, handed to a logger of the user's while training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from empirical.monitor import step_sums
from theory.arrays import FloatArray

Sink: TypeAlias = Callable[[dict[str, float], int], object]

KEYS = (
    "weight_norm",
    "effective_lr",
    "effective_grad_norm",
    "angular_update",
    "learning_rate",
    "weight_decay",
    "train_loss",
)

log = logging.getLogger("sawtooth")


class Outlet:
    """Calls ``sink(values, step)``; a sink that fails is not called again.

    Args:
        sink: a function of a dict with the names in ``KEYS`` and of the step, or None.
        every: steps between calls, or a few more where no step is recorded then.
    """

    def __init__(self, sink: Sink | None, every: int) -> None:
        self._sink, self._every, self._next = sink, every, 0

    def due(self, step: int) -> bool:
        """Whether the numbers of a step, which is recorded, are wanted."""
        if self._sink is None or step < self._next:
            return False
        self._next = step - step % self._every + self._every
        return True

    def give(
        self, step: int, norms: FloatArray, *, rate: float, decay: float, a: float, loss: float
    ) -> None:
        """Hand over one record; a key whose value is unknown is left out."""
        rho, gradient, moved, difference = norms[:4]
        with np.errstate(all="ignore"):  # of a run that diverges
            angle = step_sums.turned(*(np.asarray(v) for v in (rho, moved, difference, a)))
            numbers = (rho, rate / rho**2, rho * gradient, angle, rate, decay, loss)
        values = dict(zip(KEYS, map(float, numbers), strict=True))
        known = {name: value for name, value in values.items() if not np.isnan(value)}
        try:
            if self._sink is not None:
                self._sink(known, step)
        except Exception as error:  # somebody else's logger must not end the training
            log.warning("the monitor's sink failed at step %d and is left out: %r", step, error)
            self._sink = None
