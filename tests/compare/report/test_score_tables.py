import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from compare.report.figures.over_settings import predictions
from compare.report.tables import scores
from compare.report.tables.cells import number

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


def test_slow_settings_stand_beside_what_fast_ones_said(settings):
    """Only those that something faster forecasts, each beside no theory where there is one."""
    period = settings["period"].values
    columns = {
        "extrapolated_period": period * [1.05, np.nan, 0.9, np.nan, np.nan],
        "extrapolated_period_error": period * 0.1,
        "extrapolated_baseline_period": period * 0.5,
        "extrapolated_first_jump": settings["first_jump"].values * 1.3,
    }
    made = settings.assign({name: ("setting", one) for name, one in columns.items()})
    made["learning_rate"] = made["weight_decay"] = made["intrinsic_lr"]
    for name in ("effective_lr_before_jump", "effective_lr_after_jump"):
        made[name] = ("setting", np.full(5, 0.06))
        made[f"extrapolated_{name}"] = ("setting", np.full(5, 0.03))
    rows = scores.extrapolation_table(made).rows
    assert [row[3] for row in rows] == ["+5.0 %", "-10.0 %"]
    assert rows[0][1:3] == [number(1000, 20), number(1050, 100)]
    assert [row[4:] for row in rows] == [["–", "-50.0 %", "+30.0 %", "-50.0 %", "-50.0 %"]] * 2


def test_the_drawn_law_is_the_tables():
    """Means with their errors, the curve of the law, and one standard deviation about it."""
    law, error = np.array([1.3, 1.2, 1.1]), np.array([0.2, 0.1, 0.05])
    table = xr.Dataset(
        {
            "intrinsic_lr": ("setting", [1e-3, 4e-3]),
            "periodic": ("setting", ["true", "true"]),
            "kick": ("setting", [1.25, 1.15]),
            "kick_sem": ("setting", [0.02, 0.03]),
            "curve_intrinsic_lr": ("curve", [1e-4, 1e-3, 4e-3]),
            "kick_law": ("curve", law),
            "kick_law_error": ("curve", error),
        }
    )
    figure, axis = plt.subplots()
    predictions._draw_fit(axis, table, {"kick": "kick K"})
    x, y = axis.lines[-2].get_data()
    np.testing.assert_array_equal(x, table["curve_intrinsic_lr"])
    np.testing.assert_array_equal(y, law)
    band = axis.collections[-1].get_paths()[0].vertices
    for sign in (-1, 1):
        edge = np.column_stack([x, law + sign * error])
        assert all((np.isclose(band, one).all(axis=1)).any() for one in edge)
    (measured,) = axis.containers
    np.testing.assert_array_equal(measured.lines[0].get_ydata(), [1.25, 1.15])
    plt.close(figure)


@pytest.mark.slow
def test_errors_and_first_jumps_are_drawn(settings):
    assert predictions.errors(settings).count("<svg") == 1
    svg = predictions.first_jumps(settings)
    assert svg.count("<svg") == 1


def test_laws_of_jumps_end_where_jumps_do():
    """At the fastest setting the norm rests; the growing share alone is told beyond the border."""
    table = xr.Dataset(
        {
            "intrinsic_lr": ("setting", [1e-3, 1e-2, 1e-1]),
            "periodic": ("setting", ["true", "true", "false"]),
            "curve_intrinsic_lr": ("curve", np.geomspace(1e-4, 1e-1, 31)),
            **{f"{name}_law": ("curve", np.zeros(31)) for name in ("onset", "growth")},
            **{f"{name}_law_error": ("curve", np.ones(31)) for name in ("onset", "growth")},
        }
    )
    ends = {}
    for name in ("onset", "growth"):
        _, axis = plt.subplots()
        predictions._draw_law(axis, table, name)
        ends[name] = axis.lines[0].get_xdata()[[0, -1]]
        plt.close()
    np.testing.assert_allclose(ends["onset"], [1e-4, 1e-2])
    np.testing.assert_allclose(ends["growth"], [1e-4, 1e-1])
