import math

import numpy as np
import pytest

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


@pytest.fixture(scope="module")
def line():
    return unstable_direction.descend(LINE, 0.05, n_steps=4000)


@pytest.fixture(scope="module")
def general():
    return unstable_direction.descend(GENERAL, 0.2, n_steps=4000)


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


@pytest.mark.parametrize("intrinsic_lr", [1e-4, 1e-3, 1e-2])
def test_laws_of_the_sphere_reproduce_the_simulated_logistic_toy(line, intrinsic_lr):
    found = simulated(LINE, intrinsic_lr, int(10 / intrinsic_lr))
    assert found.n_cycles > 100
    agree(oscillator.predict(unstable_direction.cut(LINE, line.minimum), intrinsic_lr), found, 0.1)
    # one angle: g(r) and S(r) of plain descents do as well
    tables = unstable_direction.from_tables(line.excess_loss, line.grad_norm, line.curvature)
    agree(oscillator.predict(tables, intrinsic_lr), found, 0.1)


@pytest.mark.parametrize("intrinsic_lr", [1e-4, 1e-3, 1e-2])
def test_rounding_is_the_floor_of_full_batch_descent_in_general_position(general, intrinsic_lr):
    laws = unstable_direction.cut(GENERAL, general.minimum)
    found = simulated(GENERAL, intrinsic_lr, max(int(6 / intrinsic_lr), 4000))
    assert found.n_cycles > 100
    agree(oscillator.predict(laws, intrinsic_lr, noise=oscillator.ROUNDING), found, 0.1)


@pytest.mark.parametrize("intrinsic_lr", [1e-3, 1e-2])
def test_noise_sets_the_delay_in_general_position(general, intrinsic_lr):
    laws = unstable_direction.cut(GENERAL, general.minimum)
    found = simulated(GENERAL, intrinsic_lr, int(12 / intrinsic_lr), noise=1e-6)
    agree(oscillator.predict(laws, intrinsic_lr, noise=1e-6), found, 0.1)
    # two angles: descents end along the softer one and miss the kick
    tables = unstable_direction.from_tables(
        general.excess_loss, general.grad_norm, general.curvature
    )
    missed = oscillator.predict(tables, intrinsic_lr, noise=1e-6)
    error = abs(missed.effective_lr_after_jump / found.effective_lr_after_jump - 1)
    assert missed.status == "refused" or error > 0.5


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


def test_a_descent_shows_gradient_and_curvature_vanish_together(line):
    assert (np.diff(line.excess_loss) > 0).all()
    functions = losses.for_numpy(LINE)
    np.testing.assert_allclose(line.minimum, [1, 0], atol=1e-6)
    assert line.curvature[0] == pytest.approx(
        losses.spherical_sharpness(LINE, np.array([1.0, 0.0])), rel=1e-4
    )
    for place in (5, -20):  # the table is F against g of the toy itself
        angles = np.linspace(1e-4, 2.5, 200_000)
        points = np.stack([np.cos(angles), np.sin(angles)])
        excess = functions.loss(points) - functions.loss(np.array([1.0, 0.0]))
        at = np.searchsorted(excess, line.excess_loss[place])
        g = np.linalg.norm(functions.gradient(points[:, at]))
        assert line.grad_norm[place] == pytest.approx(g, rel=0.02)


def test_too_few_cycles_are_refused():
    cycle = oscillator.mean_cycle(np.linspace(0, 1, 100))
    assert (cycle.status, cycle.reason) == ("refused", "0 cycles, 3 needed")
    assert math.isnan(cycle.period)


def test_bad_values_are_named(line):
    laws = unstable_direction.cut(LINE, line.minimum)
    with pytest.raises(ValueError, match=r"intrinsic_lr must be in \[0, 1\), got 1.5"):
        oscillator.run(laws, 1.5, n_steps=5, effective_lr=1.0)
    with pytest.raises(ValueError, match="and not 0, got 0"):
        oscillator.run(laws, 0.1, n_steps=5, effective_lr=1.0, displacement=0.0)
    with pytest.raises(ValueError, match="effective_lr must be a positive finite number, got -1"):
        oscillator.run(laws, 0.1, n_steps=5, effective_lr=-1.0)
    with pytest.raises(ValueError, match="no minimum: g = "):
        unstable_direction.cut(LINE, np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="g must vanish within n_steps"):
        unstable_direction.descend(LINE, 0.05, n_steps=10)
    with pytest.raises(ValueError, match="must rise from above 0"):
        unstable_direction.from_tables(np.array([0.0, 1.0]), np.ones(2), np.ones(2))
