"""A forecast of a network that may never jump."""

import numpy as np
import pytest

from compare.calibration.at_rest import Rest
from compare.calibration.beginning import Beginning
from compare.forecast.forecast import Forecast
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun
from compare.forecast.run_forecast import what_if
from compare.report.pages import forecast as page

RUN = PlannedRun(0.5, 2e-3, 8000)
PILOTS = (Pilot(1e-2, 1, 800),)


def forecast(laws, probability, run=RUN):
    rest = Rest(probability, 1e-2, np.log(0.01))
    return Forecast(run, laws, Beginning(-4.45, 0.6), PILOTS, rest=rest)


def test_the_norm_at_rest_goes_with_the_fourth_root_of_the_decay(laws):
    said = forecast(laws, 0.95).values()
    assert said["regime"] == "equilibrium"
    assert said["regime_probability"] == pytest.approx(0.95, abs=0.01)
    at_pilot = (0.5 / 0.01) ** 0.5
    assert said["equilibrium_norm"] == pytest.approx(at_pilot * 10**0.25)
    assert "has a probability of 95 %" in said["caution"]
    slower, planned = what_if(forecast(laws, 0.95))[1:3]
    assert slower["equilibrium_norm"] == pytest.approx(planned["equilibrium_norm"] / 0.3**0.25)


def test_what_is_less_likely_than_a_jump_is_not_what_is_drawn(laws):
    for probability, jumps in ((0.3, True), (0.95, False)):
        held = forecast(laws, probability).dataset()
        shown = np.log(held["sample_effective_lr"].values[0])
        later = shown[held["planned_step"].values > 2000]
        assert bool(np.ptp(later) > 0.5) is jumps
        expected = (1 - probability) * float(forecast(laws, 0.0).dataset()["jump_density"].sum())
        assert float(held["jump_density"].sum()) == pytest.approx(expected, rel=0.05)
    ends = [np.exp(-2.303 / 2 + q * np.hypot(0.1, 0.46)) * 0.01 for q in (-1.645, 1.645)]
    found = held["effective_lr"].isel(planned_step=-1).sel(quantile=[0.05, 0.95])
    np.testing.assert_allclose(found, ends, rtol=0.3)


def test_jumps_are_counted_with_the_runs_that_have_none(laws):
    without, said = (forecast(laws, p).values() for p in (0.0, 0.3))
    assert said["regime"] == "periodic"
    assert said["n_jumps_low"] == 0 < without["n_jumps_low"]
    assert 0 < said["n_jumps_high"] <= without["n_jumps_high"]
    assert without["rest_probability"] == 0
    assert without["caution"] == ""


def test_advice_counts_that_it_may_never_jump(laws):
    plain, half, sure = (forecast(laws, p).borders for p in (0.0, 0.5, 0.95))
    assert half["avoid_weight_decay"] > plain["avoid_weight_decay"]
    assert half["avoid_learning_rate"] > plain["avoid_learning_rate"]
    assert half["equilibrium_weight_decay"] <= plain["equilibrium_weight_decay"]
    assert set(sure.values()) == {None}
    said = forecast(laws, 0.95).values() | sure
    assert page._advice(said) == ["No first jump is to be expected, so there is none to avoid."]
