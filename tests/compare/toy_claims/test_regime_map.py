import numpy as np
import pytest

from compare.measure.power_law import period_exponent
from compare.toy_claims import regime_map
from theory.cycle_models import oscillator, unstable_direction
from theory.simulation import grid as simulate
from theory.simulation.grid import Grid
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import losses
from theory.trajectory.regimes import REGIMES

LINE = losses.logistic([[1, 0], [0.5, 0], [0.25, 0]], scale=5.0)
INTRINSIC_LRS = np.geomspace(1e-3, 1e-1, 7)


@pytest.fixture(scope="module")
def laws():
    return unstable_direction.cut(LINE, np.array([1.0, 0.0]))


@pytest.fixture(scope="module")
def regimes(laws):
    return regime_map.regime_map(
        LINE,
        laws,
        learning_rates=np.geomspace(1e-2, 1e2, 9),
        weight_decays=1.5 * np.geomspace(1e-5, 10**-0.5, 10),
        n_steps=6000,
    )


def periods(loss, laws, noise, n_seeds):
    """Simulated and predicted periods at each eta lam."""
    found, predicted = [], []
    for intrinsic_lr in INTRINSIC_LRS:
        grid = Grid(
            (1.0,),
            (intrinsic_lr,),
            tuple(range(n_seeds)),
            n_steps=int(30 / intrinsic_lr),
            dynamics=Dynamics(noise=noise),
        )
        log_elr = np.log(simulate.simulate(loss, grid)["effective_lr"].values.T)
        found.append(oscillator.mean_cycle(log_elr).period)
        predicted.append(oscillator.predict(laws, intrinsic_lr, noise=noise).period)
    return np.array(found), np.array(predicted)


def test_all_four_regimes_lie_where_they_must(regimes, laws):
    products = np.outer(regimes.learning_rates, regimes.weight_decays)
    assert set(regimes.simulation.ravel()) == set(REGIMES)
    np.testing.assert_array_equal(regimes.simulation == "divergence", products > 2)
    # elr rises by exp(2 eta lam t): below 2 / S in the end, nothing can have destabilised
    reached = np.log(regimes.learning_rates)[:, None] + 2 * products * 6000
    calm = regimes.simulation[reached < np.log(2 / laws.curvature)]
    assert calm.size > 5
    assert set(calm) == {"convergence"}
    # 6000 steps hold several periods of about 2 / (eta lam)
    assert set(regimes.simulation[(products > 3e-3) & (products < 3e-2)]) == {"periodic"}


def test_theory_agrees_with_simulation(regimes):
    assert regimes.agreement > 0.95
    known = regimes.theory != regime_map.UNKNOWN
    products = np.outer(regimes.learning_rates, regimes.weight_decays)
    np.testing.assert_array_equal(~known, (products >= 1) & (products <= 2))


def test_weak_noise_turns_periods_into_equilibrium_in_both(regimes, laws):
    noisy = regime_map.regime_map(
        LINE,
        laws,
        learning_rates=regimes.learning_rates,
        weight_decays=regimes.weight_decays,
        n_steps=6000,
        noise=0.03,
    )
    for before, after in (
        (regimes.simulation, noisy.simulation),
        (regimes.theory, noisy.theory),
    ):
        assert (after[before == "periodic"] == "equilibrium").mean() > 0.9
    assert noisy.agreement > 0.9


def test_the_period_goes_as_one_over_eta_lam_without_a_floor(laws):
    for times in periods(LINE, laws, 0.0, 8):
        fit = period_exponent(INTRINSIC_LRS, times)
        assert fit.value == pytest.approx(-1, abs=0.03)
        assert fit.standard_error < 0.02


def test_a_residual_floor_makes_it_a_root():
    loss = losses.isotropic(2)
    laws = unstable_direction.cut(loss, np.array([1.0, 0.0]))
    fits = [period_exponent(INTRINSIC_LRS, times) for times in periods(loss, laws, 1e-8, 8)]
    for fit in fits:
        assert fit.value == pytest.approx(-0.5, abs=0.1)
    assert fits[0].value == pytest.approx(fits[1].value, abs=0.03)


def test_the_exponent_and_its_error_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    x = np.geomspace(1e-4, 1e-1, 20)
    fits = [period_exponent(x, 2 * x**-0.7 * np.exp(0.1 * rng.normal(size=20))) for _ in range(400)]
    values = np.array([fit.value for fit in fits])
    assert values.mean() == pytest.approx(-0.7, abs=0.002)
    errors = np.array([fit.standard_error for fit in fits])
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.1)
    with pytest.raises(ValueError, match=r"needs 3 periods at different eta\*lam, got 2"):
        period_exponent(np.ones(3), np.array([1.0, 2.0, np.nan]))
