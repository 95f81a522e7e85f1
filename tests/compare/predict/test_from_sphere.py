"""Periods from runs on the sphere: a planted process, and what is refused."""

import numpy as np
import pytest

from compare.predict import from_sphere
from theory import laws, trajectory
from theory.trajectory import RunSpec
from theory.trajectory.jumps import find_jumps

from ...sphere_runs import planted_runs, planted_with_decay

ETA, WD, RHO0 = 0.5, 6e-3, 6.0


def sphere_dataset(runs, rule="sphere"):
    """Runs on the sphere as a Dataset of the schema, at norm 1."""
    specs = [RunSpec(6e-3, 0.0, seed, len(run.log_elr)) for seed, run in enumerate(runs)]
    series = {
        "weight_norm": np.ones((len(runs), len(runs[0].log_elr))),
        "step_learning_rate": np.exp([run.log_elr for run in runs]),
        "effective_grad_norm": np.exp([run.log_g for run in runs]),
    }
    names = {"source": "network", "model": "planted", "data": "none"}
    return trajectory.build(specs, series, **names, steps_per_epoch=1, update_rule=rule)


@pytest.mark.slow
def test_predicts_a_planted_process_with_decay():
    process = from_sphere.learn(sphere_dataset(planted_runs(n_runs=40, n_steps=5000)))
    said = from_sphere.predict(process, ETA, WD, initial_norm=RHO0)
    rate, start = laws.decay_rate(ETA * WD), np.log(ETA / RHO0**2)
    truth = planted_with_decay(ETA * WD, 40, int(20 / rate), start)
    jumps = [find_jumps(chain) for chain in truth.T]
    pairs = list(zip(truth.T, jumps, strict=True))
    onset = np.concatenate([chain[one.onsets[1:]] for chain, one in pairs]).mean()
    landing = np.concatenate([chain[one.landings] for chain, one in pairs]).mean()
    period = np.concatenate([np.diff(one.onsets) for one in jumps]).mean()
    assert said.reason == ""
    assert said.period == pytest.approx(period, rel=0.15)
    assert np.log(said.effective_lr_before_jump) == pytest.approx(onset, abs=0.2)
    assert np.log(said.effective_lr_after_jump) == pytest.approx(landing, abs=0.2)
    assert said.first_jump == pytest.approx(np.mean([one.onsets[0] for one in jumps]), rel=0.2)
    assert said.kick == pytest.approx(rate * said.period)
    climb = np.log(said.effective_lr_before_jump / said.effective_lr_after_jump) / rate
    assert said.recovery == pytest.approx(said.period - climb)


def test_runs_off_the_sphere_are_refused():
    runs = planted_runs(n_runs=1, n_steps=50)
    with pytest.raises(ValueError, match="no runs at a fixed norm"):
        from_sphere.learn(sphere_dataset(runs, rule="sgd"))


def test_a_setting_without_decay_is_refused():
    with pytest.raises(ValueError, match=r"weight_decay must be a positive .* got 0"):
        from_sphere.predict(None, ETA, 0.0, initial_norm=RHO0)
