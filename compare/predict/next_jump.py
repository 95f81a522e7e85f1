"""When the next jump of a recorded run comes, from its own cycles, a calibrated study, or both.

The laws of a study (``calibration.laws.regularised``) at the run's decay are what was known of its
cycles before; ``theory.cycle_models.next_jump`` adds those that the run has seen itself. Until
its first jump a run has none, and the study's law of first jumps alone says when that comes: where
decay alone would have raised ``ln(elr)`` to.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from compare.calibration.beginning import Beginning
from compare.calibration.laws.evidence import RUN_SCATTER, scatter
from compare.calibration.laws.regularised import Laws
from compare.predict import outlook as of_runs
from compare.predict.from_study import read_calibrated
from compare.study import store
from theory.cycle_models.next_jump import KnownCycles, Outlook, from_run, look_ahead
from theory.cycle_models.next_jump.known_cycles import (
    ONSET_SPREAD,
    PRIOR_WEIGHT,
    SHARE_SPREAD,
    SLOPE,
    SLOPE_ERROR,
)
from theory.cycle_models.next_jump.normal_law import NormalLaw, Student
from theory.laws import decay_rate
from theory.trajectory import RecordedRun, require

# The spread of a study is that about the mean onset, not about what a landing says: it gives way to
# a run's own cycles.
MOST_FREEDOM = 10.0
# Difference of ln(weights) within which networks are one: a monitor follows gains and biases that
# are invariant together with weights, a study does not.
SAME_SIZE = 0.2


def outlook(
    trajectories: xr.Dataset | str | Path,
    run: str | None = None,
    *,
    study: str | Path | None = None,
    n_steps: int | None = None,
) -> Outlook:
    """Say when the next jump of a run comes, from the end of its records.

        >>> from sawtooth import outlook, simulate
        >>> toy = simulate("isotropic", 0.1, 0.1, n_steps=2000)
        >>> ahead = outlook(toy)
        >>> ahead.low <= ahead.median_wait <= ahead.high
        True

    Args:
        trajectories: what a monitor or a training has recorded, or its file.
        run: id of the run; the first by default.
        study: file of a calibrated study of the same network; needed before the first period is
            complete.
        n_steps: to look ahead; about an expected period by default.

    Returns:
        Probability within any number of steps, median wait with its 90 % interval, what would put
        the jump off, and all this as a sentence.

    Raises:
        ValueError: if a file cannot be read or holds no such run, or saying why nothing is told.
    """
    if isinstance(trajectories, xr.Dataset):
        recorded, n_weights = _chosen(trajectories, run)
    else:
        path = Path(trajectories)
        recorded, n_weights = store.of_trajectories(path, lambda held: _chosen(held, run))
    if study is None:
        return ahead(recorded, None, n_steps=n_steps)
    known = read_calibrated(study)
    if n_weights and known.n_weights:
        _check_size(n_weights, known.n_weights, study)
    return ahead(recorded, known.laws, known.beginning, n_steps=n_steps)


def _check_size(n_weights: int, held: set[int], study: str | Path) -> None:
    """Refuse a study of networks of other sizes.

    Raises:
        ValueError: with the sizes.
    """
    if not any(abs(math.log(n_weights / one)) < SAME_SIZE for one in held):
        sizes = ", ".join(map(str, sorted(held)))
        raise ValueError(
            f"{study} is of another network: it has {sizes} scale-invariant weights, and that of "
            f"the run {n_weights}"
        )


def ahead(
    run: RecordedRun,
    laws: Laws | None,
    beginning: Beginning | None = None,
    *,
    n_steps: int | None = None,
) -> Outlook:
    """The same for a run that was read, with the laws of its network where they are known.

    Args:
        run: the run.
        laws: of its network.
        beginning: how the runs begin that the laws come from.
        n_steps: to look ahead.

    Raises:
        ValueError: saying why nothing is told.
    """
    if laws is None:
        return look_ahead(run, n_steps=n_steps)
    from_run.check(run)
    if run.update_rule != "sgd":
        raise ValueError(
            f"a study knows what follows from sgd, and the run was made by {run.update_rule}"
        )
    if laws.momentum != run.momentum:
        raise ValueError(
            f"the study's momentum must be the run's, {run.momentum:g}, got {laws.momentum:g}"
        )
    if len(run.jumps.onsets):
        return look_ahead(run, known_cycles(laws, run.decay), n_steps=n_steps)
    return _first_jump(run, laws, beginning, n_steps)


def known_cycles(laws: Laws, decay: float) -> KnownCycles:
    """What a study knows of the cycles of one more run at a decay.

    Args:
        laws: of the network.
        decay: share of the norm that decay takes in a step.
    """
    network = of_runs.networks(laws, decay, 0.0)
    y = np.exp(network.growth)
    growing = np.sqrt(y**2 + y) - y  # share of a period; see kick_model.growing_share
    climb = network.onset - network.landing
    shares = np.log(climb / (network.rate * network.period * (1 - growing)))
    onset, share = ((float(drawn.mean()), float(drawn.std())) for drawn in (network.onset, shares))
    spread = scatter(laws, "onset", decay)
    error = float(np.hypot(onset[1], RUN_SCATTER["onset"]))
    precision = ((spread / error) ** 2, 0.0), (0.0, (ONSET_SPREAD / SLOPE_ERROR) ** 2)
    return KnownCycles(
        float(network.landing.mean()),
        NormalLaw((onset[0], SLOPE), precision, spread, _freedom(laws, "onset_spread", decay)),
        NormalLaw((share[0],), (((SHARE_SPREAD / share[1]) ** 2,),), SHARE_SPREAD, PRIOR_WEIGHT),
        float(np.median(growing * network.period)),
    )


def _freedom(laws: Laws, spread: str, decay: float) -> float:
    """Degrees of freedom: the logarithm of a spread is known to ``1/sqrt(2 freedom)``."""
    error = laws.of(spread, decay)[1]
    return float(np.clip(0.5 / error**2, PRIOR_WEIGHT, MOST_FREEDOM))


def _first_jump(
    run: RecordedRun, laws: Laws, beginning: Beginning | None, n_steps: int | None
) -> Outlook:
    """The outlook of a run that has not jumped so far, from what decay alone has done.

    Raises:
        ValueError: if its beginning is not there, or it should have jumped long ago.
    """
    if run.start:
        raise ValueError(
            f"the first jump is told from the beginning, and the records begin at step {run.start}"
        )
    rate, steps = decay_rate(run.decay), run.every * (len(run.log_elr) - 1)
    reach, error = laws.of("reach", run.decay)
    width = float(np.hypot(scatter(laws, "reach", run.decay), error))
    start = float(run.log_elr[0])
    start = start if beginning is None else beginning.apparent(start)
    at_start = Outlook(
        onset=Student(reach, width, _freedom(laws, "first_spread", run.decay)),
        share=Student(0.0, 0.0, PRIOR_WEIGHT),
        start=start,
        passed=start,
        rate=rate,
        delay=0.0,
        begun=0.0,
        learning_rate=run.learning_rate,
        weight_decay=run.weight_decay,
        n_steps=1,
    )
    from_run.overdue(at_start, steps)
    now = start + rate * steps
    found = replace(at_start, start=now, passed=now)
    return replace(found, n_steps=from_run.horizon(n_steps, found.median_wait))


def _chosen(held: xr.Dataset, run: str | None) -> tuple[RecordedRun, int]:
    """The run that is asked for, and how many weights its norm is of, 0 where that is not known.

    Raises:
        ValueError: if it, or any trajectory, is not there.
    """
    require(held, "the dataset")
    runs = [str(one) for one in held["run"].values]
    if run is not None and run not in runs:
        raise ValueError(f"run must be one of {', '.join(runs)}, got {run!r}")
    run = runs[0] if run is None else run
    n_weights = float(held["n_weights"].sel(run=run)) if "n_weights" in held else 0.0
    return RecordedRun.of(held, run), int(n_weights) if n_weights > 0 else 0
