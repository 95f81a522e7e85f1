import numpy as np
import pytest
import xarray as xr

from compare.measure import over_seeds
from compare.predict.errors import interval_coverage, median_absolute_error
from compare.study.comparison import compare_with_theory
from theory.vocabulary import VARIABLES

from ..conftest import asked


@pytest.mark.slow
def test_settings_pool_cycles_and_spread_over_seeds(networks, roles):
    _, comparison, _ = compare_with_theory(networks, asked(roles))
    settings = over_seeds.by_setting(comparison)
    assert settings["intrinsic_lr"].values == pytest.approx([1e-3, 2e-3, 4e-3, 8e-3])
    runs = comparison.isel(run=slice(0, 12))
    cycles, periods = runs["n_cycles"].values, runs["period"].values
    pooled = (periods * cycles).sum() / cycles.sum()
    assert float(settings["period"][0]) == pytest.approx(pooled, rel=1e-12)
    seeds = np.sqrt(np.sum((cycles * (periods - pooled)) ** 2) * 12 / 11) / cycles.sum()
    assert float(settings["period_sem"][0]) == pytest.approx(seeds, rel=1e-12)
    assert settings["regime"].values.tolist() == ["periodic"] * 4
    before = over_seeds.by_setting(comparison.drop_vars("cycle_steps"))  # of an earlier version
    assert before["period"].values == pytest.approx(settings["period"].values, rel=1e-12)


def test_seeds_with_a_few_long_cycles_count_towards_the_period_of_a_setting():
    """Seeds with gaps of (100, 100, 130), (160, 160) and (300): left out, T would be 110."""
    nan = np.nan
    runs = xr.Dataset(
        {
            "n_cycles": ("run", [3.0, 2.0, 1.0, 0.0]),
            "cycle_steps": ("run", [330.0, 320.0, 300.0, 0.0]),
            "period": ("run", [110.0, nan, nan, nan]),
            **{name: ("run", ["periodic"] * 4) for name in ("regime", "expected_regime")},
            "n_jumps": ("run", [4.0, 3.0, 2.0, 1.0]),
        },
        {
            "run": list("abcd"),
            "seed": ("run", range(4)),
            "role": ("run", ["held_out"] * 4),
            "variant": ("run", [""] * 4),
            **{
                name: ("run", [value] * 4)
                for name, value in {
                    "learning_rate": 0.5,
                    "weight_decay": 0.01,
                    "momentum": 0.0,
                    "intrinsic_lr": 0.005,
                }.items()
            },
        },
    )
    settings = over_seeds.by_setting(runs)
    assert float(settings["period"][0]) == pytest.approx(950 / 6)
    away = np.array([330 - 3 * 950 / 6, 320 - 2 * 950 / 6, 300 - 950 / 6])
    assert float(settings["period_sem"][0]) == pytest.approx(np.sqrt(1.5 * away @ away) / 6)
    assert np.isnan(over_seeds.by_setting(runs.isel(run=[1]))["period"]).all()  # two cycles


def test_median_error_looks_at_held_out_periodic_settings_only():
    settings = xr.Dataset(
        {
            "period": ("setting", [100.0, 100.0, 100.0, 100.0, np.nan]),
            "predicted_period": ("setting", [110.0, 70.0, 500.0, 900.0, 1.0]),
            "role": ("setting", ["held_out", "held_out", "calibration", "held_out", "held_out"]),
            "regime": ("setting", ["periodic"] * 3 + ["equilibrium", "periodic"]),
        }
    )
    assert median_absolute_error(settings, "period") == pytest.approx(0.2)
    assert median_absolute_error(settings, "period", role="calibration") == 4.0


def test_coverage_counts_single_periods():
    comparison = xr.Dataset(
        {
            "predicted_period_low": ("run", [10.0, 5.0]),
            "predicted_period_high": ("run", [20.0, 6.0]),
        },
        {"run": ["a", "b"]},
    )
    assert interval_coverage(comparison, {"a": [9, 10, 20, 21], "b": [5.5]}) == 0.6


def test_law_checks_pass_and_fail_at_their_tolerance():
    assert VARIABLES["norm_law_residual"].passes(np.array([0.0, 2.9e-5, np.nan]))
    assert not VARIABLES["norm_law_residual"].passes(np.array([3.1e-5]))
    assert not VARIABLES["log_balance_ratio"].passes(np.array([1.0, 0.96]))
    assert not VARIABLES["log_balance_ratio"].passes(np.array([np.nan]))


@pytest.mark.slow
def test_every_variable_of_the_comparison_is_described(networks, roles):
    _, comparison, _ = compare_with_theory(networks, asked(roles))
    for name in comparison.variables:
        if name not in ("run", "seed", "model", "data", "role"):
            assert comparison[name].attrs.keys() >= {"units", "long_name", "source"}, name
    assert comparison["predicted_period"].attrs["units"] == "steps"
    assert comparison["predicted_period"].attrs["source"] == "theory"


@pytest.mark.slow
def test_settings_that_differ_in_the_seventh_digit_stay_apart(networks, roles):
    _, comparison, _ = compare_with_theory(networks, asked(roles))
    rates = comparison["learning_rate"].values.copy()
    rates[:6] += 1e-7
    near = comparison.assign_coords(learning_rate=("run", rates))
    assert over_seeds.by_setting(near)["n_seeds"].values.tolist() == [6, 6, 12, 12, 12]
