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
    cycles = runs["n_cycles"]
    pooled = float((runs["period"] * cycles).sum() / cycles.sum())
    assert float(settings["period"][0]) == pytest.approx(pooled, rel=1e-12)
    spread = runs["period"].std(ddof=1) / np.sqrt(12)
    assert float(settings["period_sem"][0]) == pytest.approx(float(spread), rel=1e-12)
    assert settings["regime"].values.tolist() == ["periodic"] * 4


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
