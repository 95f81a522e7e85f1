import pytest

from compare.forecast.planned_run import PlannedRun


def test_steps_are_whole_numbers_and_texts_are_none():
    assert PlannedRun(0.5, 2e-3, 3e3).n_steps == 3000
    assert isinstance(PlannedRun(0.5, 2e-3, 3e3).n_steps, int)
    with pytest.raises(ValueError, match=r"steps must be a whole number, got 0.5"):
        PlannedRun(0.5, 2e-3, 0.5)
    with pytest.raises(ValueError, match="positive number: without it the norm can only grow"):
        PlannedRun(0.5, 0.0, 3000)
    with pytest.raises(ValueError, match=r"learning_rate must be .* got '0.2'"):
        PlannedRun("0.2", 2e-3, 3000)
    with pytest.raises(ValueError, match=r"momentum must be .* got '0.9'"):
        PlannedRun(0.2, 2e-3, 3000, "0.9")
