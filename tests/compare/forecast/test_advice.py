from dataclasses import replace

import numpy as np
import pytest

from compare.calibration.beginning import Beginning
from compare.forecast import advice
from compare.forecast.planned_run import PlannedRun
from compare.predict import outlook

PLANNED = PlannedRun(0.5, 4e-4, 36_000)
START = -4.45
BEGINNING = Beginning(START, 0.6)


def test_at_the_border_nine_runs_of_ten_end_before_the_first_jump(laws):
    found = advice.advice(PLANNED, laws, BEGINNING)
    at = replace(PLANNED, weight_decay=found["avoid_weight_decay"])
    assert advice.no_jump(at, laws, START) == pytest.approx(0.9, abs=1e-3)
    drawn = outlook.networks(laws, at.decay, START, n_draws=20_000)
    quiet = np.isinf(outlook.jump_times(drawn, at.n_steps)[:, 0]).mean()
    assert quiet == pytest.approx(0.9, abs=0.02)
    slower = replace(PLANNED, learning_rate=found["avoid_learning_rate"])
    start = BEGINNING.at(slower.learning_rate / PLANNED.learning_rate)
    assert advice.no_jump(slower, laws, start) == pytest.approx(0.9, abs=1e-3)


def test_a_little_more_decay_is_too_much(laws):
    border = advice.advice(PLANNED, laws, BEGINNING)["avoid_weight_decay"]
    more = replace(PLANNED, weight_decay=1.1 * border)
    less = replace(PLANNED, weight_decay=0.9 * border)
    assert advice.no_jump(more, laws, START) < 0.9 < advice.no_jump(less, laws, START)


def test_the_equilibrium_border_is_the_smallest_decay_at_rest(laws):
    border = advice.advice(PLANNED, laws, BEGINNING)["equilibrium_weight_decay"]

    def resting(factor):
        run = replace(PLANNED, weight_decay=factor * border)
        drawn = outlook.networks(laws, run.decay, START)
        return outlook.regime_probabilities(drawn, run.n_steps)["equilibrium"]

    assert resting(0.95) < 0.9 <= resting(1.001)


def test_longer_runs_need_less_decay(laws):
    short, long = (
        advice.advice(replace(PLANNED, n_steps=n), laws, BEGINNING)["avoid_weight_decay"]
        for n in (9_000, 36_000)
    )
    assert short / long == pytest.approx(4, rel=0.25)  # what counts is decay times steps


def test_factors_too_small_to_train_with_do_not_hide_the_border(laws):
    """At a decay near the smallest, a millionth of it is none; what avoids the jump is larger."""
    slow = PlannedRun(0.5, 1e-9, 10**9)
    found = advice.advice(slow, laws, BEGINNING)
    at = replace(slow, learning_rate=found["avoid_learning_rate"])
    start = BEGINNING.at(at.learning_rate / slow.learning_rate)
    assert advice.no_jump(at, laws, start) == pytest.approx(0.9, abs=1e-3)
