"""The hazard of bursts: planted coefficients found, onsets in closed form, steps that count."""

import numpy as np
import pytest

from theory.cycle_models import burst_hazard
from theory.cycle_models.burst_hazard import QUIET_STEPS, BurstHazard, mean_log_onset, quiet_steps

WEIBULL = BurstHazard(np.log(2) + 12, 3.0, 1.0, (0.0, 0.0), 0)  # H = (e^6 elr)^2


def test_fit_recovers_the_hazard_that_made_the_bursts():
    rng = np.random.default_rng(1)
    log_elr, log_progress = rng.uniform(-4, -2, 200_000), rng.uniform(0, 4, 200_000)
    planted = BurstHazard(4.0, 2.5, 1.0, (0.0, 0.0), 0)
    burst = rng.random(len(log_elr)) < planted(log_elr, log_progress)
    found = burst_hazard.fit(log_elr, log_progress, burst)
    assert found.n_bursts == burst.sum() > 1000
    assert abs(found.exponent - 2.5) < 3 * found.errors[0] < 0.3
    assert abs(found.fading - 1.0) < 3 * found.errors[1] < 0.2
    assert found(np.array([-3.0]), np.array([1.0])) == pytest.approx(np.exp(4 - 7.5 - 1), rel=0.1)


def test_too_few_bursts_are_refused():
    with pytest.raises(ValueError, match="at least 10 bursts, there are 3"):
        burst_hazard.fit(np.zeros(50), np.zeros(50), np.arange(50) < 3)


@pytest.mark.parametrize("rate", [1e-5, 1e-4, 1e-3])
def test_onsets_do_not_depend_on_decay_where_hazard_fades_as_one_over_tau(rate):
    """Far above the landing ln(elr) is that of a Weibull variable of shape 2 and scale exp(-6)."""
    expected = -6 - np.euler_gamma / 2
    assert mean_log_onset(WEIBULL, -12.0, rate) == pytest.approx(expected, abs=5e-3)


def test_onsets_come_at_lower_elr_under_slower_decay_where_hazard_fades_less():
    weak = BurstHazard(WEIBULL.log_scale, 3.0, 0.5, (0.0, 0.0), 0)
    slow, fast = (mean_log_onset(weak, -12.0, rate) for rate in (1e-5, 1e-3))
    assert fast - slow == pytest.approx(np.log(100) * 0.5 / 2.5, abs=2e-2)


def test_quiet_steps_count_from_the_last_burst():
    log_elr, log_g = np.full(600, np.log(0.1)), np.full(600, np.log(1e-3))
    log_g[200:205] = np.log(5.0)  # elr g = 0.5
    found = quiet_steps(log_elr, log_g)
    expected = [*range(QUIET_STEPS, 201), *range(205 + QUIET_STEPS, 600)]
    assert found.step.tolist() == expected
    assert found.step[found.burst].tolist() == [200]
    assert found.first.sum() == 201 - QUIET_STEPS
    assert np.exp(found.log_progress[[0, -1]]) == pytest.approx([0.1 * 100, 0.1 * (599 - 205)])
