import numpy as np
import pytest
import xarray as xr

from compare.report.figures.over_settings import predictions
from compare.report.tables import scores

SETTING = {"learning_rate": 0.5, "weight_decay": 4e-3, "momentum": 0.0, "variant": ""}


@pytest.fixture
def settings():
    """Three held-out periodic settings, one that was calibrated on, one in equilibrium."""
    period = np.array([1000.0, 500.0, 200.0, 90.0, 9.0])
    columns = {
        "period": period,
        "period_sem": 0.02 * period,
        "predicted_period": period * [1.01, 0.95, 1.02, 1.5, 3.0],
        "process_period": period * [1.30, 1.02, 0.90, 1.5, 3.0],
        "power_law_period": period * [0.90, 1.06, 1.10, 1.5, 3.0],
        "baseline_period": period * [0.80, 1.10, 1.20, 1.5, 3.0],
        "predicted_period_low": period / 2,
        "predicted_period_high": period * 2,
        "intrinsic_lr": np.array([5e-4, 1e-3, 2e-3, 4e-3, 0.1]),
        "sphere_first_jump": np.array([110.0, np.nan, 45.0, np.nan, np.nan]),
        "first_jump": np.array([100.0, 70.0, 50.0, 30.0, 5.0]),
        "first_jump_sem": np.ones(5),
        "first_jump_std": np.ones(5),
    }
    made = xr.Dataset({name: ("setting", values) for name, values in columns.items()})
    made["role"] = ("setting", ["held_out"] * 3 + ["calibration", "held_out"])
    made["regime"] = ("setting", ["periodic"] * 4 + ["equilibrium"])
    made["variant"] = ("setting", ["all examples", "", "batches", "", ""])
    return made


def test_the_closest_model_of_each_setting_is_named(settings):
    rows = scores.score_table(settings).rows
    assert [row[0] for row in rows] == ["5.0 × 10⁻⁴", "1.0 × 10⁻³", "2.0 × 10⁻³"]
    assert [row[1] for row in rows] == ["+1.0 %", "-5.0 %", "+2.0 %"]
    assert [row[5] for row in rows] == ["kick model", "hazard process", "kick model"]
    assert [row[6] for row in rows] == ["2.0 %"] * 3


def test_models_are_ranked_over_settings_that_nobody_was_calibrated_on(settings):
    rows = {row[0]: row[1:] for row in scores.winner_table(settings).rows}
    assert rows["kick model"] == ["2.0 %", "5.0 %", "2 of 3"]
    assert rows["hazard process"] == ["10.0 %", "30.0 %", "1 of 3"]
    assert rows["baseline"] == ["20.0 %", "20.0 %", "0 of 3"]


def test_the_share_inside_each_interval_is_counted(settings):
    """Onsets 100, 150 and 190 steps apart, of which 100 lies outside the kick model's interval."""
    comparison = xr.Dataset(
        {
            "regime": ("run", ["periodic"]),
            "role": ("run", ["held_out"]),
            "intrinsic_lr": ("run", [2e-3]),
            "predicted_period_low": ("run", [120.0]),
            "predicted_period_high": ("run", [200.0]),
            "process_period_low": ("run", [180.0]),
            "process_period_high": ("run", [200.0]),
            "cycle_onset": (("run", "cycle"), [[60.0, 160.0, 310.0, 500.0, np.nan]]),
            **{name: ("run", [value]) for name, value in SETTING.items()},
        },
        {"run": ["a"]},
    )
    # another variant at the same eta*lam, which no model may predict
    other = comparison.assign_coords(run=["b"]).assign(variant=("run", ["x"]))
    other["predicted_period_low"] = other["process_period_low"] = ("run", [np.nan])
    comparison = xr.concat([comparison, other], "run")
    chosen = settings.isel(setting=[2]).assign_coords(setting=["lr0.5-wd0.004"])
    (row,) = scores.interval_table(chosen, comparison).rows
    assert row[1:4] == ["3", "66.7 %", "33.3 %"]


def test_first_jumps_stand_beside_what_the_sphere_says(settings):
    rows = scores.first_jump_table(
        settings.assign(
            learning_rate=settings["intrinsic_lr"], weight_decay=settings["intrinsic_lr"]
        )
    )
    assert [row[0] for row in rows.rows] == ["all examples", "batches"]
    assert [row[-1] for row in rows.rows] == ["+10.0 %", "-10.0 %"]


@pytest.mark.slow
def test_the_drawn_fit_is_the_model(settings):
    table = xr.Dataset(
        {"value": ("parameter", [0.85, -0.06, 5.0])},
        {"parameter": ["kick.at_one", "kick.slope", "recovery"]},
    )
    x = np.array([1e-3, 1e-1])
    expected = 0.85 - 0.06 * np.log(x) - 10 * np.log1p(-x)
    np.testing.assert_allclose(predictions._fit(table, "kick", x), expected, rtol=1e-12)
    assert predictions.errors(settings).count("<svg") == 1
    svg = predictions.first_jumps(settings)
    assert svg.count("<svg") == 1
