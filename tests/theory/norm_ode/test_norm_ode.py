import numpy as np
import pytest

from theory import laws
from theory.laws import equilibrium
from theory.norm_ode import closed_form

from .by_lsoda import norm_with_gradient_law

LR, WD, G, START = 0.1, 0.01, 2.0, 5.0


def recursion(gs):
    norms = [START]
    for g in gs:
        norms.append(laws.next_weight_norm(norms[-1], g, LR, WD))
    return np.array(norms)


def test_closed_form_follows_the_discrete_law():
    times = np.arange(4001.0)
    closed = closed_form.norm_at_constant_gradient(times, START, G, LR, WD)
    np.testing.assert_allclose(closed, recursion(np.full(4000, G)), rtol=LR * WD)
    discrete = equilibrium.sgd(LR, WD, G**2).norm
    assert closed[-1] / discrete - 1 == pytest.approx(-LR * WD / 8, rel=0.01)


def test_closed_form_of_an_ensemble_is_that_of_its_runs():
    times, norms = np.linspace(0, 500, 7), np.array([0.5, 2.0, 9.0])
    together = closed_form.norm_at_constant_gradient(times, norms[:, None], G, LR, WD)
    for row, norm in zip(together, norms, strict=True):
        np.testing.assert_array_equal(
            row, closed_form.norm_at_constant_gradient(times, float(norm), G, LR, WD)
        )


def test_closed_form_without_decay():
    closed = closed_form.norm_at_constant_gradient(np.array([0.0, 1000.0]), START, G, LR, 0.0)
    expected = (START**4 + 2 * (LR * G) ** 2 * 1000) ** 0.25
    np.testing.assert_allclose(closed, [START, expected], rtol=1e-14)


def test_sampled_gradient_equals_closed_form_piece_by_piece():
    interval, gs = 7.0, np.array([2.0, 0.5, 3.0, 0.0])
    sampled = closed_form.norm_at_sampled_gradient(gs, START, LR, WD, steps_per_sample=interval)
    norm = START
    for g, following in zip(gs, sampled[1:], strict=True):
        norm = closed_form.norm_at_constant_gradient(np.array(interval), norm, g, LR, WD)
        assert following == pytest.approx(float(norm), rel=1e-13)
        norm = float(norm)
    assert sampled[0] == pytest.approx(START, rel=1e-15)


def test_sampled_gradient_tracks_the_recursion_of_a_wandering_gradient():
    gs = 1 + np.sin(np.arange(3000) / 200) ** 2
    sampled = closed_form.norm_at_sampled_gradient(gs, START, LR, WD)
    np.testing.assert_allclose(sampled, recursion(gs), rtol=LR * WD)


def test_gradient_law_of_a_power_of_the_norm_has_its_closed_form():
    # g = c rho^2 makes the ODE d(rho^4)/dt = (2 eta^2 c^2 - 4 eta lam) rho^4
    times = np.linspace(0, 2000, 11)
    c = 0.1
    norms = norm_with_gradient_law(times, START, lambda _, rho: c * rho**2, LR, WD)
    rate = 2 * (LR * c) ** 2 - 4 * LR * WD
    np.testing.assert_allclose(norms, START * np.exp(rate * times / 4), rtol=1e-7)


def test_gradient_law_in_time_agrees_with_samples():
    times = np.linspace(0, 1000, 5)

    def gradient(step, norm):
        return 1 + np.sin(step / 50)

    norms = norm_with_gradient_law(times, START, gradient, LR, WD)
    middles = (np.arange(100_000) + 0.5) / 100
    sampled = closed_form.norm_at_sampled_gradient(
        gradient(middles, 0), START, LR, WD, steps_per_sample=0.01
    )
    np.testing.assert_allclose(norms, sampled[::25_000], rtol=1e-7)


@pytest.mark.parametrize("intrinsic_lr", [1e-3, 1e-2])
@pytest.mark.parametrize(("start", "distance"), [(10, 0.81), (3, 0.335), (0.5, -1.65)])
def test_distance_from_the_discrete_law_is_as_documented(intrinsic_lr, start, distance):
    lr, wd = 0.5, 2 * intrinsic_lr
    norms = [start * equilibrium.sgd(lr, wd, 1.0).norm]
    for _ in range(int(4 / intrinsic_lr)):
        norms.append(laws.next_weight_norm(norms[-1], 1.0, lr, wd))
    closed = closed_form.norm_at_constant_gradient(np.arange(len(norms)), norms[0], 1.0, lr, wd)
    error = closed / np.array(norms) - 1
    largest = error[np.argmax(np.abs(error))]
    assert largest == pytest.approx(distance * intrinsic_lr, rel=0.07)


def test_bad_start_is_named():
    with pytest.raises(ValueError, match="initial_norm must be a positive finite number, got -1"):
        closed_form.norm_at_constant_gradient(np.zeros(1), -1.0, G, LR, WD)
