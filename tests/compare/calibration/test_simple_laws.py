import numpy as np
import pytest
from scipy.stats import lognorm, norm

from compare.calibration import simple_laws
from compare.calibration.observed_cycles import SettingCycles
from theory.laws import decay_rate

from .made_cycles import run_cycles

SETTINGS = (1e-3, 2e-3, 5e-3, 2e-2)
SWING = np.array([0.8, 1.2, 0.7, 1.3])  # of periods about their mean


def made(climb, *, settings=SETTINGS, repeats=(2, 1, 3, 2)):
    """Settings whose periods scatter about ``climb(eta lam) / r``."""
    return [
        SettingCycles(at, (run_cycles(climb(at) / decay_rate(at) * SWING),) * n)
        for at, n in zip(settings, repeats, strict=False)
    ]


def power(at):
    return 1.2 * (at / 1e-2) ** -0.15


def table(settings):
    """What both laws are fitted to: ``ln(eta lam)``, ``ln(r T)``, their errors, the variation."""
    n = np.array([cycles.n_cycles for cycles in settings])
    variation = np.sqrt((n.sum() / 4 * ((SWING - 1) ** 2).sum()) / (n.sum() - len(n)))
    y = [np.log(c.rate * c.all("lengths").mean()) for c in settings]
    return np.log([c.intrinsic_lr for c in settings]), np.array(y), variation / n**0.5, variation


def test_a_constant_is_recovered():
    law = simple_laws.constant(made(lambda at: 1.1))
    _, _, errors, variation = table(made(lambda at: 1.1))
    for at in (1e-5, 2e-3, 0.1):
        mean, error = law.period(at)
        assert mean == pytest.approx(1.1 / decay_rate(at), rel=1e-12)
        assert error / mean == pytest.approx((errors**-2).sum() ** -0.5, rel=1e-12)
    assert law.slope == law.slope_error == 0
    assert law.variation == pytest.approx(variation, rel=1e-12)


def test_a_constant_that_settings_contradict_is_known_less_well():
    settings = made(lambda at: 1.1 if at < 3e-3 else 3.0)
    law = simple_laws.constant(settings)
    _, y, errors, _ = table(settings)
    weights = errors**-2
    mean = np.average(y, weights=weights)
    chi = weights @ (y - mean) ** 2 / 3
    assert chi > 4
    assert law.level == pytest.approx(mean, rel=1e-12)
    assert law.level_error == pytest.approx((chi / weights.sum()) ** 0.5, rel=1e-12)


def test_a_power_law_is_recovered():
    law = simple_laws.power_law(made(power))
    assert law.slope == pytest.approx(-0.15, rel=1e-9)
    for at in (1e-5, 2e-3, 0.1):
        assert law.period(at)[0] == pytest.approx(power(at) / decay_rate(at), rel=1e-9)


@pytest.mark.parametrize(
    ("climb", "cov"),
    [(power, "unscaled"), (lambda at: power(at) * (3 if at == 2e-3 else 1), True)],
)
def test_errors_of_a_power_law_are_those_of_weighted_least_squares(climb, cov):
    """Not below what the scatter of periods leaves, and as large as the misfit says."""
    settings = made(climb)
    x, y, errors, variation = table(settings)
    line, covariance = np.polyfit(x, y, 1, w=1 / errors, cov=cov)
    law = simple_laws.power_law(settings)
    assert law.slope == pytest.approx(line[0], rel=1e-9)
    assert law.slope_error == pytest.approx(covariance[0, 0] ** 0.5, rel=1e-9)
    assert law.variation == pytest.approx(variation, rel=1e-12)
    for at in (1e-5, 2e-3, 0.1):
        row = np.array([np.log(at), 1])
        mean, error = law.period(at)
        assert mean == pytest.approx(np.exp(line @ row) / decay_rate(at), rel=1e-9)
        assert error / mean == pytest.approx((row @ covariance @ row) ** 0.5, rel=1e-6)


def test_intervals_of_a_power_law_grow_with_distance():
    law = simple_laws.power_law(made(power))
    far = [5e-3, 1e-3, 1e-4, 1e-6]
    errors = [law.period(at)[1] / law.period(at)[0] for at in far]
    widths = [law.single(at)[1] / law.single(at)[0] for at in far]
    assert errors == sorted(errors) and errors[-1] > 4 * errors[0]
    assert widths == sorted(widths) and widths[-1] > 1.01 * widths[0]


def test_single_periods_have_the_mean_and_the_scatter_of_the_law():
    """Of a log-normal distribution, by its 5th and 95th percentile."""
    law = simple_laws.power_law(made(power))
    at = 1e-5
    low, high = law.single(at)
    width = np.log(high / low) / 2 / norm.ppf(0.95)
    found = lognorm(width, scale=np.sqrt(low * high))
    mean, error = law.period(at)
    assert found.mean() == pytest.approx(mean, rel=1e-9)
    assert found.std() == pytest.approx(np.hypot(law.variation * mean, error), rel=1e-9)


def test_one_setting_has_a_constant_and_no_power_law():
    settings = made(lambda at: 1.1, settings=(2e-3,))
    assert simple_laws.power_law(settings) is None
    assert simple_laws.constant(settings).period(1e-3)[0] == pytest.approx(1.1 / decay_rate(1e-3))
