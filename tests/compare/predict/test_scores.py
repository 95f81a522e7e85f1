import numpy as np
import pytest
import xarray as xr

from compare import report
from compare.measure import over_seeds
from compare.predict import scores

from ...kick_model import TRUE_MODEL
from ..conftest import networks_from, roles_of, study_of


def scored(study, comparison):
    networks = study["empirical"].to_dataset()
    return scores.of_study(networks, comparison, over_seeds.by_setting(comparison))


def test_a_run_predicted_at_rest_counts_among_the_regimes(study):
    """It has no predicted period; of 24 held-out runs that are periodic six are missed."""
    comparison = study["comparison"].to_dataset()
    before = scored(study, comparison)
    assert before["regime_right"] == 100
    other = comparison.copy(deep=True)
    held_out = np.flatnonzero(other["role"] == "held_out")
    assert len(held_out) == 24
    for name in ("predicted_period", "predicted_period_low", "predicted_period_high"):
        other[name][held_out[:6]] = np.nan
    regimes = other["predicted_regime"].values.astype("<U12")
    regimes[held_out[:6]] = "equilibrium"
    other["predicted_regime"] = ("run", regimes)
    after = scored(study, other)
    assert after["regime_right"] == pytest.approx(75)
    kept = 1 - np.isin(np.arange(48), held_out[:6])
    n_periods = comparison["n_cycles"].values
    share = (n_periods * kept)[held_out].sum() / n_periods[held_out].sum()
    assert after["coverage"] == pytest.approx(share * before["coverage"], rel=0.02)


def test_runs_that_no_calibration_may_predict_do_not_count(study):
    comparison = study["comparison"].to_dataset().copy(deep=True)
    held_out = np.flatnonzero(comparison["role"] == "held_out")
    regimes = comparison["predicted_regime"].values.copy()
    regimes[held_out[:6]] = ""
    comparison["predicted_regime"] = ("run", regimes)
    assert scored(study, comparison)["regime_right"] == 100


@pytest.mark.slow
def test_a_study_with_one_setting_to_fit_is_reported_without_a_power_law():
    networks = networks_from(TRUE_MODEL, [2e-3, 4e-3, 8e-3], seeds=3, n_cycles=20)
    made = study_of(networks, roles_of(networks, [2e-3]))
    comparison = made["comparison"].to_dataset()
    found = scored(made, comparison)
    assert {"model_error", "baseline_error"} <= set(found)
    assert "power_law_error" not in found
    html = report.render(made)
    assert "The largest error of the model is" in html
    assert "A power law without any theory" not in html


def extrapolated(**changes):
    """Three slow held-out settings that faster ones forecast, and one fast one."""
    period = np.array([1000.0, 500.0, 200.0, 50.0])
    columns = {
        "period": period,
        "extrapolated_period": period * [1.05, 0.9, 1.2, np.nan],
        "extrapolated_power_law_period": period * [1.5, 0.8, 1.3, np.nan],
        "extrapolated_baseline_period": period * [0.5, 0.7, np.nan, np.nan],
    }
    made = xr.Dataset({name: ("setting", one) for name, one in (columns | changes).items()})
    made["role"] = ("setting", ["held_out"] * 4)
    made["regime"] = ("setting", ["periodic"] * 4)
    return made


def test_forecasts_of_slow_settings_are_scored_beside_no_theory():
    found = scores._of_extrapolation(extrapolated())
    assert found == pytest.approx(
        {
            "n_extrapolated": 3,
            "extrapolation_error": 10,
            "extrapolation_power_law_error": 30,
            "extrapolation_baseline_error": 40,
        }
    )
    alone = scores._of_extrapolation(extrapolated().drop_vars("extrapolated_power_law_period"))
    assert set(found) - set(alone) == {"extrapolation_power_law_error"}
    nothing = np.full(4, np.nan)
    assert scores._of_extrapolation(extrapolated(extrapolated_period=nothing)) == {}
