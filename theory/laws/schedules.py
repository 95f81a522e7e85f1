"""Learning rates that change in time, as factors on a run's learning rate."""

import numpy as np

from theory import laws, validate
from theory.arrays import FloatArray, IntArray

SCHEDULES = ("constant", "step", "cosine", "rising", "growing", "probing")
RISE = 1000.0  # over a run
PROBING_START = 2.0  # factor at which the first rise begins
PROBING_LOW, PROBING_HIGH = (1.0, 8.0), (8.0, 50.0)  # factors between which a rise begins and ends
PROBING_RATE = (5e-4, 4e-2)  # of ln(factor) a step


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
    Smith 2017 (arXiv 1506.01186). ``probing`` is a series of rises, see ``probing_factors``.
    ``growing`` is 1 here: its growth differs from run to run, see ``laws.growing_learning_rate``.

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
    if schedule == "probing":
        rises = probing_factors(n_steps)
        return rises if steps is None else rises[steps]
    return np.ones(len(done))


def probing_factors(n_steps: int) -> FloatArray:
    """Exponential rises one after another, to see at a fixed norm what any decay would meet.

    Each begins at a random low, ends at a random high factor and rises at a random rate, all drawn
    evenly in logarithms; then the factor drops at once to the next low. Runs of another length
    have other rises, runs of one length the same.

    Args:
        n_steps: of the run.

    Returns:
        Factor of each step, (n_steps,).
    """
    rng = np.random.default_rng(n_steps)
    pieces: list[FloatArray] = []
    start = np.log(PROBING_START)
    while sum(map(len, pieces)) < n_steps:
        end, log_rate = rng.uniform(*np.log(PROBING_HIGH)), rng.uniform(*np.log(PROBING_RATE))
        pieces.append(np.arange(start, end, np.exp(log_rate)))
        start = rng.uniform(*np.log(PROBING_LOW))
    return np.exp(np.concatenate(pieces)[:n_steps])


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
