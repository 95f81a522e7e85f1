import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from theory import norm_ensemble, norm_ode

LR, WD = 0.1, 0.01
TIMES = np.linspace(0, 4000, 201)


def integrate(gradient, norms, **changes):
    setting = {"learning_rate": LR, "weight_decay": WD} | changes
    return norm_ensemble.norm_ensemble(TIMES, norms, gradient, **setting)


def test_constant_samples_follow_the_closed_form_for_every_run():
    norms, lrs = np.array([0.5, 3.0, 12.0]), np.array([0.1, 0.02, 0.3])
    ensemble = integrate(np.full(5, 2.0), norms, learning_rate=lrs)
    for norm, lr, path in zip(norms, lrs, ensemble.weight_norm, strict=True):
        closed = norm_ode.norm_at_constant_gradient(TIMES, norm, 2.0, lr, WD)
        np.testing.assert_allclose(path, closed, rtol=1e-8)
    assert ensemble.reason == ("", "", "")
    assert np.all(ensemble.n_steps < 200)


@njit
def power_law(step, norm):
    return 0.1 * norm**2


def test_power_of_the_norm_has_its_closed_form():
    # g = c rho^2 makes the ODE d(rho^4)/dt = (2 eta^2 c^2 - 4 eta lam) rho^4
    ensemble = integrate(power_law, 5.0)
    rate = 2 * (LR * 0.1) ** 2 - 4 * LR * WD
    np.testing.assert_allclose(ensemble.weight_norm[0], 5.0 * np.exp(rate * TIMES / 4), rtol=1e-7)


@njit
def wave(step, norm):
    return 1 + np.sin(step / 50) + 0.1 * norm


def test_law_of_time_and_norm_agrees_with_another_integrator():
    ensemble = integrate(wave, [2.0, 6.0])
    for norm, path in zip([2.0, 6.0], ensemble.weight_norm, strict=True):
        other = norm_ode.norm_with_gradient_law(TIMES, norm, wave.py_func, LR, WD, tolerance=1e-12)
        np.testing.assert_allclose(path, other, rtol=1e-7)


def test_error_falls_with_the_tolerance():
    exact = integrate(wave, 2.0, tolerance=1e-12).weight_norm
    errors = [
        np.abs(integrate(wave, 2.0, tolerance=tolerance).weight_norm / exact - 1).max()
        for tolerance in (1e-5, 1e-7, 1e-9)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[0] < 1e-4


def test_samples_are_joined_by_straight_lines_and_one_row_a_run():
    knots = np.linspace(TIMES[0], TIMES[-1], 9)
    samples = np.array([[1, 3, 0, 2, 2, 5, 1, 0, 4.0], [2, 2, 2, 1, 1, 1, 3, 3, 0.0]])
    ensemble = integrate(samples, 5.0)
    middles = (np.arange(400_000) + 0.5) / 100
    for row, path in zip(samples, ensemble.weight_norm, strict=True):
        g = np.interp(middles, knots, row)
        fine = norm_ode.norm_at_sampled_gradient(g, 5.0, LR, WD, steps_per_sample=0.01)
        np.testing.assert_allclose(path, fine[::2000], rtol=1e-7)


@njit
def exploding(step, norm):
    return norm**4 if norm > 3 else 0.0


def test_a_run_that_explodes_is_marked_and_the_others_finish():
    ensemble = integrate(exploding, [2.0, 5.0])
    assert ensemble.reason[0] == ""
    np.testing.assert_allclose(ensemble.weight_norm[0], 2 * np.exp(-LR * WD * TIMES), rtol=1e-8)
    assert ensemble.reason[1] != ""
    assert np.isnan(ensemble.weight_norm[1, -1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"initial_norm": -1.0}, "initial_norm must be a positive finite number, got -1"),
        ({"weight_decay": 20.0}, "must be below 1, got 0.1 \\* 20.0 = 2"),
        (
            {"steps": [0.0, 0.0]},
            "steps must be at least two increasing numbers, got \\[0.0, 0.0\\]",
        ),
        ({"gradient": [1.0, np.nan]}, "gradient must hold at least two finite samples"),
        ({"tolerance": 0.0}, "tolerance must be a positive finite number, got 0"),
    ],
)
def test_bad_values_are_named(changes, sentence):
    arguments = {
        "steps": TIMES,
        "initial_norm": 1.0,
        "gradient": [1.0, 1.0],
        "learning_rate": LR,
        "weight_decay": WD,
    } | changes
    with pytest.raises(ValueError, match=sentence):
        norm_ensemble.norm_ensemble(**arguments)


def test_a_law_that_is_not_compiled_is_refused():
    with pytest.raises(TypeError, match=r"must be compiled with numba\.njit"):
        integrate(lambda step, norm: norm, 1.0)


def test_the_closed_forms_do_not_load_numba():
    code = (
        "import sys, theory.norm_ode, theory.equilibrium, theory.laws; "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
