"""Runs drawn by analogy: the state that is compared, and a process with a known answer."""

import numpy as np
import pytest

from theory import laws
from theory.cycle_models import burst_analogs
from theory.cycle_models.burst_analogs import MEMORY, running_means
from theory.trajectory.jumps import find_jumps

from ...sphere_runs import planted_runs, planted_with_decay


def test_running_means_are_exponential_from_the_first_step_on():
    log_g = np.array([1.0, 3.0, -2.0, 0.5])
    means = running_means(log_g)
    expected = np.full(3, 1.0)
    for step, value in enumerate(log_g):
        expected = expected + (value - expected) / MEMORY
        assert means[step] == pytest.approx(expected)
    assert means[:, 0] == pytest.approx(log_g)


@pytest.fixture(scope="module")
def process():
    return burst_analogs.learn(planted_runs(n_runs=40, n_steps=5000))


def test_without_bursts_elr_rises_at_the_rate_of_decay(process):
    rng = np.random.default_rng(0)
    drawn = burst_analogs.simulate(process, 1e-3, -9.0, n_chains=2, n_steps=500, rng=rng)
    assert drawn[0] == pytest.approx(-9.0)
    assert np.diff(drawn, axis=0) == pytest.approx(laws.decay_rate(1e-3), rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("intrinsic_lr", [1e-3, 5e-3])
def test_periods_are_those_of_the_process_that_the_sphere_runs_come_from(process, intrinsic_lr):
    rng = np.random.default_rng(0)
    n_steps = int(20 / laws.decay_rate(intrinsic_lr))
    drawn = burst_analogs.simulate(
        process, intrinsic_lr, -4.5, n_chains=30, n_steps=n_steps, rng=rng
    )
    truth = planted_with_decay(intrinsic_lr, n_chains=30, n_steps=n_steps)
    said, known = (
        [np.diff(find_jumps(chain).onsets).mean() for chain in runs.T] for runs in (drawn, truth)
    )
    assert np.mean(said) == pytest.approx(np.mean(known), rel=0.15)
