import numpy as np
import pytest
import xarray as xr

from compare.measure.power_law import period_exponent
from compare.report.figures.over_settings import regime_plane
from compare.report.tables.predictions import exponent_table


def test_exact_power_laws_give_their_exponent_whatever_the_weights():
    x = np.geomspace(1e-4, 1e-2, 6)
    error = np.array([3.0, 1, 5, 2, 4, 1])
    found = period_exponent(x, 0.7 * x**-1.1, error)
    assert found.value == pytest.approx(-1.1, abs=1e-12)


@pytest.mark.parametrize("scatter", [0.03, 0.3])
def test_the_standard_error_is_that_of_many_measurements(scatter):
    """Periods scatter as their errors say, or ten times as much: the error follows."""
    rng = np.random.default_rng(0)
    x = np.geomspace(1e-4, 1e-2, 12)
    found = []
    for _ in range(300):
        period = x**-1.0 * np.exp(scatter * rng.normal(size=12))
        found.append(period_exponent(x, period, 0.03 * period))
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(-1, abs=4 * values.std() / np.sqrt(300))
    typical = np.sqrt(np.mean([one.standard_error**2 for one in found]))
    assert values.std() == pytest.approx(typical, rel=0.25)


def test_a_precise_period_counts_for_more():
    x = np.array([1e-3, 2e-3, 4e-3, 8e-3])
    period = 1 / x
    period[-1] *= 2
    exact = period_exponent(x, period, period * [0.01, 0.01, 0.01, 10])
    assert exact.value == pytest.approx(-1, abs=1e-3)


def test_two_periods_are_refused():
    with pytest.raises(ValueError, match=r"an exponent needs 3 periods at different eta\*lam"):
        period_exponent(*np.ones((3, 2)))


def plane(predicted=("convergence", "periodic", "periodic", "equilibrium"), variant=""):
    rates, n = np.array([1e-5, 1e-3, 4e-3, 0.16]), 4
    period = 0.7 / rates
    columns = {
        "learning_rate": np.full(n, 0.5),
        "weight_decay": rates / 0.5,
        "intrinsic_lr": rates,
        "regime": ["convergence", "periodic", "periodic", "equilibrium"],
        "predicted_regime": list(predicted),
        "variant": [variant] * n,
        "period": period,
        "period_sem": 0.02 * period,
        "predicted_period": period,
    }
    names = [f"s{i}" for i in range(n)]
    settings = xr.Dataset({k: ("setting", v) for k, v in columns.items()}, {"setting": names})
    runs = {k: ("run", np.repeat(columns[k], 2)) for k in ("learning_rate", "weight_decay")}
    regimes = np.repeat(columns["regime"], 2)
    regimes[2] = "convergence"
    return xr.Dataset(runs | {"regime": ("run", regimes)}), settings


def test_borders_lie_between_settings_of_different_predictions():
    _, settings = plane()
    assert regime_plane.borders(settings) == pytest.approx([1e-4, np.sqrt(4e-3 * 0.16)])
    assert regime_plane.borders(settings.drop_vars("predicted_regime")) == []
    unknown = plane(("convergence", "", "periodic", "periodic"))[1]
    assert regime_plane.borders(unknown) == pytest.approx([np.sqrt(1e-5 * 4e-3)])


def test_the_plane_is_drawn_for_settings_that_differ_in_numbers_alone():
    assert list(regime_plane.draw(*plane())) == ["regimes"]
    assert regime_plane.draw(*plane(variant="clipped")) == {}
    comparison, settings = plane()
    assert regime_plane.draw(comparison, settings.isel(setting=[0, 1])) == {}


def test_the_table_refuses_too_few_periods():
    _, settings = plane()
    assert exponent_table(settings).rows == []  # two periodic settings
    settings["regime"][:3] = "periodic"
    row = exponent_table(settings).rows[0]
    assert row == ["3", "-1.000 ± 0.005", "-1.000", "-1.00"]
