import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from theory.norm_ode import closed_form, dormand_prince, norm_ensemble

from .by_lsoda import norm_with_gradient_law

LR, WD = 0.1, 0.01
TIMES = np.linspace(0, 4000, 201)


def integrate(gradient, norms, **changes):
    setting = {"learning_rate": LR, "weight_decay": WD} | changes
    return norm_ensemble.norm_ensemble(TIMES, norms, gradient, **setting)


@pytest.mark.slow
def test_constant_samples_follow_the_closed_form_for_every_run():
    norms, lrs = np.array([0.5, 3.0, 12.0]), np.array([0.1, 0.02, 0.3])
    ensemble = integrate(np.full(5, 2.0), norms, learning_rate=lrs)
    for norm, lr, path in zip(norms, lrs, ensemble.weight_norm, strict=True):
        closed = closed_form.norm_at_constant_gradient(TIMES, norm, 2.0, lr, WD)
        np.testing.assert_allclose(path, closed, rtol=1e-13)
    assert ensemble.reason == ("", "", "")


@njit
def power_law(step, norm):
    return 0.1 * norm**2


@pytest.mark.slow
def test_power_of_the_norm_has_its_closed_form():
    # g = c rho^2 makes the ODE d(rho^4)/dt = (2 eta^2 c^2 - 4 eta lam) rho^4
    ensemble = integrate(power_law, 5.0)
    rate = 2 * (LR * 0.1) ** 2 - 4 * LR * WD
    np.testing.assert_allclose(ensemble.weight_norm[0], 5.0 * np.exp(rate * TIMES / 4), rtol=1e-7)


@njit
def wave(step, norm):
    return 1 + np.sin(step / 50) + 0.1 * norm


@pytest.mark.slow
def test_law_of_time_and_norm_agrees_with_another_integrator():
    ensemble = integrate(wave, [2.0, 6.0])
    for norm, path in zip([2.0, 6.0], ensemble.weight_norm, strict=True):
        other = norm_with_gradient_law(TIMES, norm, wave.py_func, LR, WD, tolerance=1e-12)
        np.testing.assert_allclose(path, other, rtol=1e-7)


@njit
def roots(values, out):
    for i in range(values.size):
        out[i] = dormand_prince.fourth_root(values[i])


def test_fourth_roots_are_right_to_rounding_wherever_a_norm_may_be():
    values = np.geomspace(1e-299, 1e300, 10_001)
    found = np.empty_like(values)
    roots(values, found)
    np.testing.assert_allclose(found, np.sqrt(np.sqrt(values)), rtol=2e-15)


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
        fine = closed_form.norm_at_sampled_gradient(g, 5.0, LR, WD, steps_per_sample=0.01)
        np.testing.assert_allclose(path, fine[::2000], rtol=1e-7)


@pytest.mark.parametrize("wd", [0.0, 1e-7, 0.01, 3.0])
def test_samples_between_the_outputs_change_nothing_when_they_lie_on_the_lines(wd):
    # one long stretch and many short ones take the series and the closed form of the moments
    coarse = np.array([1.0, 3.0, 0.5])
    fine = np.interp(np.linspace(0, 2, 4001), [0, 1, 2], coarse)
    ends = np.array([0.0, 4000.0])
    settings = {"learning_rate": LR, "weight_decay": wd}
    paths = [
        norm_ensemble.norm_ensemble(times, 5.0, samples, **settings).weight_norm[0, -1]
        for times in (ends, TIMES)
        for samples in (coarse, fine)
    ]
    np.testing.assert_allclose(paths, paths[0], rtol=1e-12)


@njit
def pulse(step):
    return 1 + np.sin(step / 7) if 500 < step < 3000 else 0.01 * np.cos(step / 3)


@njit
def pulse_of_time_and_norm(step, norm):
    return pulse(step)


@pytest.mark.slow
def test_law_of_time_alone_is_a_quadrature_of_the_same_equation():
    norms, lrs = np.array([0.7, 3.0, 9.0]), np.array([0.1, 0.1, 0.3])
    settings = {"learning_rate": lrs, "tolerance": 1e-10}
    quadrature = integrate(pulse, norms, **settings)
    stepped = integrate(pulse_of_time_and_norm, norms, **settings)
    np.testing.assert_allclose(quadrature.weight_norm, stepped.weight_norm, rtol=1e-8)
    middles = (np.arange(4_000_000) + 0.5) / 1000
    g = np.where((middles > 500) & (middles < 3000), 1 + np.sin(middles / 7), 0)
    g = np.where(g == 0, 0.01 * np.cos(middles / 3), g)
    sums = closed_form.norm_at_sampled_gradient(g, 3.0, LR, WD, steps_per_sample=0.001)
    np.testing.assert_allclose(quadrature.weight_norm[1], sums[::20_000], rtol=1e-7)
    assert quadrature.reason == ("", "", "")


@njit
def pole(step):
    return 1 / (step - 1000.0) if step < 1000 else np.nan


@pytest.mark.slow
def test_law_of_time_that_is_not_finite_ends_every_run_there():
    ensemble = integrate(pole, [1.0, 2.0])
    assert np.isfinite(ensemble.weight_norm[:, :50]).all()
    assert np.isnan(ensemble.weight_norm[:, 51:]).all()
    assert set(ensemble.reason) == {"the norm or the gradient is no longer finite"}


def test_runs_of_a_block_agree_with_runs_alone_within_the_tolerance():
    norms, lrs = np.geomspace(0.05, 20, 130), np.geomspace(1e-3, 1, 130)
    together = integrate(wave, norms, learning_rate=lrs)
    assert set(together.reason) == {""}
    for i in (0, 63, 64, 129):
        alone = integrate(wave, norms[i], learning_rate=lrs[i])
        np.testing.assert_allclose(together.weight_norm[i], alone.weight_norm[0], rtol=1e-6)


@njit
def exploding(step, norm):
    return norm**4 if norm > 3 else 0.0


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_closed_forms_do_not_load_numba():
    code = (
        "import sys, theory.norm_ode.closed_form, theory.laws.equilibrium, theory.laws; "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
