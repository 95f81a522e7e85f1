import math

import numpy as np
import pytest
from scipy.optimize import minimize

from theory.cycle_models import oscillator, unstable_direction
from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import isotropic_map, losses

# three separable points at different distances: F is even in the other weight, so that the
# simulator carries its exponent and no jump is lost to underflow
LINE = losses.logistic([[1, 0], [0.5, 0], [0.25, 0]], scale=5.0)
# four points in general position in three dimensions
GENERAL = losses.logistic(
    [[1, 0.5, 0.2], [0.8, -0.6, 0.1], [0.6, 0.1, -0.5], [0.9, 0.3, 0.6]], scale=5.0
)


# noise of a gradient in general position that is computed in float64, relative to weights
ROUNDING = 1e-16


@pytest.fixture(scope="module")
def line():
    return unstable_direction.cut(LINE, np.array([1.0, 0.0]))


@pytest.fixture(scope="module")
def general():
    functions, tight = losses.for_numpy(GENERAL), {"gtol": 1e-12}
    found = minimize(functions.loss, [1.0, 0.2, 0.1], jac=functions.gradient, options=tight)
    return unstable_direction.cut(GENERAL, found.x)


def simulated(loss, intrinsic_lr, n_steps, noise=0.0, n=64, eta=5.0):
    weights = np.random.default_rng(1).normal(size=(loss.dimension, n))
    records = toy_ensemble.run(
        loss,
        weights / np.linalg.norm(weights, axis=0),
        learning_rate=np.full(n, eta),
        weight_decay=np.full(n, intrinsic_lr / eta),
        n_steps=n_steps,
        dynamics=Dynamics(noise=noise),
    )
    return oscillator.mean_cycle(np.log(eta / records.weight_norm**2))


def agree(predicted, found, tolerance):
    assert predicted.status == found.status == "periodic"
    for name in ("period", "effective_lr_before_jump", "effective_lr_after_jump"):
        assert getattr(predicted, name) == pytest.approx(getattr(found, name), rel=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("intrinsic_lr", [1e-4, 1e-3, 1e-2])
def test_laws_of_the_sphere_reproduce_the_simulated_logistic_toy(line, intrinsic_lr):
    found = simulated(LINE, intrinsic_lr, int(10 / intrinsic_lr))
    assert found.n_cycles > 100
    agree(oscillator.predict(line, intrinsic_lr), found, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("intrinsic_lr", [1e-4, 1e-3, 1e-2])
def test_rounding_is_the_floor_of_full_batch_descent_in_general_position(general, intrinsic_lr):
    found = simulated(GENERAL, intrinsic_lr, max(int(6 / intrinsic_lr), 4000))
    assert found.n_cycles > 100
    agree(oscillator.predict(general, intrinsic_lr, noise=ROUNDING), found, 0.1)


@pytest.mark.parametrize("intrinsic_lr", [1e-3, 1e-2])
def test_noise_sets_the_delay_in_general_position(general, intrinsic_lr):
    found = simulated(GENERAL, intrinsic_lr, int(12 / intrinsic_lr), noise=1e-6)
    agree(oscillator.predict(general, intrinsic_lr, noise=1e-6), found, 0.1)


def test_one_step_is_that_of_the_isotropic_toy():
    x = np.linspace(-math.pi, math.pi, 4001)
    laws = unstable_direction.UnstableLaws(x, np.sin(x), np.abs(np.sin(x)), 1.0)
    elr, intrinsic_lr, angle = 0.7, 0.02, 0.9
    path = oscillator.run(laws, intrinsic_lr, n_steps=5, effective_lr=elr, displacement=angle)
    q, phi = math.cos(angle), elr / (1 - intrinsic_lr)
    for step in range(5):
        assert math.exp(path.log_displacement[step]) == pytest.approx(math.acos(q), rel=1e-5)
        assert math.exp(path.log_elr[step]) == pytest.approx(phi * (1 - intrinsic_lr), rel=1e-5)
        assert path.effective_grad_norm[step] == pytest.approx(math.sqrt(1 - q * q), rel=1e-5)
        q, phi = isotropic_map.step(q, phi, intrinsic_lr)


def test_entry_and_exit_obey_the_dilogarithm():
    x = np.linspace(-math.pi, math.pi, 4001)
    laws = unstable_direction.UnstableLaws(x, 3 * np.sin(x), 3 * np.abs(np.sin(x)), 3.0)
    start = 1e-4
    path = oscillator.run(laws, 1e-4, n_steps=20_000, effective_lr=0.5 / 3, displacement=start)
    back = np.flatnonzero(path.log_displacement[100:] > math.log(start))[0] + 100
    assert 3 * math.exp(path.log_elr[back]) == pytest.approx(
        isotropic_map.exit_reduced_lr(0.5), rel=0.02
    )
    assert path.log_displacement.min() < -300


def test_the_cut_shows_gradient_and_curvature_of_the_loss(line):
    functions = losses.for_numpy(LINE)
    angle = line.displacement[line.displacement > 0][::100]
    points = np.stack([np.cos(angle), np.sin(angle)])
    g = np.linalg.norm(functions.gradient(points), axis=0)
    np.testing.assert_allclose(line.grad_norm[line.displacement > 0][::100], g, rtol=1e-9)
    shift = 1e-5
    both = (
        functions.loss(np.stack([np.cos(angle + shift), np.sin(angle + shift)])),
        functions.loss(np.stack([np.cos(angle - shift), np.sin(angle - shift)])),
    )
    numeric = (both[0] - both[1]) / (2 * shift)
    slope = line.slope[line.displacement > 0][::100]
    np.testing.assert_allclose(np.abs(slope), np.abs(numeric), atol=1e-8)
    at_minimum = losses.spherical_sharpness(LINE, np.array([1.0, 0.0]))
    assert line.curvature == pytest.approx(at_minimum, rel=1e-9)


def test_too_few_cycles_are_refused():
    cycle = oscillator.mean_cycle(np.linspace(0, 1, 100))
    assert (cycle.status, cycle.reason) == ("refused", "0 cycles, 3 needed")
    assert math.isnan(cycle.period)


def test_bad_values_are_named(line):
    with pytest.raises(ValueError, match=r"intrinsic_lr must be in \[0, 1\), got 1.5"):
        oscillator.run(line, 1.5, n_steps=5, effective_lr=1.0)
    with pytest.raises(ValueError, match="and not 0, got 0"):
        oscillator.run(line, 0.1, n_steps=5, effective_lr=1.0, displacement=0.0)
    with pytest.raises(ValueError, match="effective_lr must be a positive finite number, got -1"):
        oscillator.run(line, 0.1, n_steps=5, effective_lr=-1.0)
    with pytest.raises(ValueError, match="no minimum: g = "):
        unstable_direction.cut(LINE, np.array([1.0, 1.0]))
