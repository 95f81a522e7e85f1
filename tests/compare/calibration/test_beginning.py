import numpy as np
import pytest

from compare.calibration.beginning import Beginning
from compare.calibration.calibrate import calibrate, observe
from compare.calibration.laws import priors
from empirical.training import train
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec, read_runs

BEGINNING = Beginning(-4.0, 0.8)


def test_at_its_own_rate_a_run_starts_where_it_starts():
    assert BEGINNING.at(1.0) == -4.0


def test_far_below_half_of_the_growth_falls_away_and_as_much_again_in_any_case():
    for factor in (1e-4, 1e-6):
        assert BEGINNING.at(factor) == pytest.approx(-4.0 + np.log(factor) + 0.4 + 0.5, abs=1e-3)
    assert BEGINNING.at(0.5) == pytest.approx(-4.0 - np.log(2) + 0.45)


def test_above_more_is_added_than_the_start_is_higher():
    assert BEGINNING.at(4.0) == pytest.approx(-4.0 - 0.25 * np.log(4.0))


def test_where_growth_is_not_known_only_the_start_moves():
    assert Beginning(-4.0, None).at(0.1) == pytest.approx(-4.0 - np.log(10))


@pytest.mark.slow
def test_the_first_jump_at_a_quarter_of_the_rate_comes_when_it_is_said():
    decay, rates = 2e-3, (0.5, 0.125)
    specs = [RunSpec(lr, decay / lr, 40 + seed, 1500, 0.0) for lr in rates for seed in range(6)]
    job = train.Job(Recipe(model="mlp-40-40"), tuple(specs))
    runs = read_runs(train.train([job], train.Settings(eval_every=10**6)))
    own, lower = ([r for r in runs.values() if r.learning_rate == lr] for lr in rates)
    chosen = [name for name, run in runs.items() if run.learning_rate == rates[0]]
    calibration = calibrate(observe(runs, chosen), priors.prior_for("mlp-40-40"))
    grown = [run.jumps.onsets[0] * 4e-3 - run.log_elr[run.jumps.onsets[0]] for run in own]
    assert calibration.first_growth == pytest.approx(np.mean(grown) + own[0].log_elr[0], rel=0.02)
    assert calibrate(observe(runs, list(runs)), priors.prior_for("mlp-40-40")).first_growth is None
    at_own, at_lower = (np.mean([run.jumps.onsets[0] for run in some]) for some in (own, lower))
    rate = -2 * np.log1p(-decay)
    reach = calibration.start + rate * at_own
    said = (reach - calibration.beginning.at(0.25)) / rate
    assert said == pytest.approx(at_lower, rel=0.12)
    assert (reach - lower[0].log_elr[0]) / rate > 1.2 * at_lower  # as if it jumped at the same elr
