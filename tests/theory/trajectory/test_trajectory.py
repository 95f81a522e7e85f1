import numpy as np
import pytest

from theory import trajectory
from theory.trajectory import RunSpec


def build(**changes):
    runs = [RunSpec(0.5, 0.02, 0, 3), RunSpec(0.25, 0.01, 4, 2)]
    norms = np.array([[1.0, 2.0, 4.0], [1.0, 0.5, np.nan]])
    arguments = {"source": "network", "model": "mlp", "data": "digits", "steps_per_epoch": 2}
    return trajectory.build(runs, {"weight_norm": norms}, **arguments | changes)


def test_every_variable_of_the_vocabulary_is_described():
    dataset = build(evaluations={"test_error": np.ones((2, 2))}, eval_every=2)
    for name in ("weight_norm", "effective_lr", "test_error", "step", "intrinsic_lr", "epoch"):
        assert dataset[name].attrs.keys() >= {"units", "long_name", "symbol", "source"}
    assert dataset["epoch"].attrs["units"] == "epochs"
    assert dataset["eval_step"].values.tolist() == [0, 2]


def test_effective_lr_is_derived_and_runs_are_named():
    dataset = build()
    assert dataset["run"].values.tolist() == ["lr0.5-wd0.02-seed0", "lr0.25-wd0.01-seed4"]
    np.testing.assert_allclose(dataset["effective_lr"][0], [0.5, 0.125, 0.03125])
    np.testing.assert_allclose(dataset["intrinsic_lr"], [0.01, 0.0025])
    np.testing.assert_allclose(dataset["epoch"], [0, 0.5, 1])


def test_recorded_leaves_out_the_padding():
    dataset = build()
    values = trajectory.recorded(dataset, "lr0.25-wd0.01-seed4", "weight_norm")
    assert values.tolist() == [1.0, 0.5]


def test_status_follows_the_reason():
    dataset = build(reasons=["", "weight_norm was not finite at step 2"], n_steps=[3, 2])
    assert dataset["status"].values.tolist() == ["completed", "diverged"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((0.5, 0.02, -1, 3), "seed must be >= 0, got -1"),
        ((0.5, 0.02, 0, 0), "n_steps must be >= 1, got 0"),
        ((-0.5, 0.02, 0, 1), "learning_rate must be a positive finite number, got -0.5"),
    ],
)
def test_bad_runs_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        RunSpec(*values)


def test_different_settings_have_different_names():
    near = RunSpec(0.5, 0.02, 0, 1), RunSpec(0.5000001, 0.02, 0, 1)
    assert near[0].id != near[1].id
    assert trajectory.setting_id(1e-3, 0.0) == "lr0.001-wd0"
