"""Learning rates that change in time, as factors on a run's learning rate."""

import numpy as np

from theory import laws, validate
from theory.arrays import FloatArray, IntArray

SCHEDULES = ("constant", "step", "cosine", "rising", "growing")
RISE = 1000.0  # over a run


def known(schedule: str) -> str:
    """Return the name of a schedule.

    Raises:
        ValueError: if there is none of that name.
    """
    return validate.one_of("schedule", schedule, SCHEDULES)


def factors(schedule: str, n_steps: int, *, steps: IntArray | None = None) -> FloatArray:
    """Factor on the learning rate at each step of a run, or at some of them, (n_steps,).

    ``step`` divides by 10 after 1/2 and again after 3/4 of the run; ``cosine`` is ``(1 + cos(pi t
    / N)) / 2``. ``rising`` grows exponentially by a factor of 1000 over the run, the range test of
    Smith 2017 (arXiv 1506.01186). ``growing`` is 1 here: its growth differs from run to run, see
    ``laws.growing_learning_rate``.

    Raises:
        ValueError: if the schedule is unknown.
    """
    done = (np.arange(n_steps) if steps is None else steps) / n_steps
    if known(schedule) == "step":
        return np.asarray(0.1 ** ((done >= 0.5).astype(float) + (done >= 0.75)))
    if schedule == "cosine":
        return np.asarray((1 + np.cos(np.pi * done)) / 2)
    if schedule == "rising":
        return np.asarray(RISE**done)
    return np.ones(len(done))


def learning_rates(
    schedule: str,
    learning_rate: float,
    weight_decay: float,
    n_steps: int,
    *,
    steps: IntArray | None = None,
) -> FloatArray:
    """Learning rate of one run without momentum at each step, or at some of them, (n_steps,).

    Raises:
        ValueError: if the schedule is unknown.
    """
    if schedule == "growing":
        steps = np.arange(n_steps) if steps is None else steps
        return np.asarray(laws.growing_learning_rate(steps, learning_rate, weight_decay))
    return learning_rate * factors(schedule, n_steps, steps=steps)
