import numpy as np
import pytest
import sympy

from theory.simulation import toy_ensemble
from theory.simulation.code_generation import even_forms
from theory.toy_losses import expression, losses

LOSSES = {
    "rayleigh": losses.rayleigh([0.1, 1.3, 4.0]),
    "multi-block": losses.multi_block([1.0, 2.5]),
    "isotropic": losses.isotropic(3),
    "logistic": losses.logistic([[1.0, 0.3], [0.7, -0.2]], scale=4.0),
    "custom": losses.custom("tanh(x*y/(x^2 + y^2)) + 0.5*abs(x)/sqrt(x**2 + y**2)"),
}


def symbolic(loss, weights):
    """F and grad F by SymPy in 30 digits."""
    point = dict(zip(loss.coordinates, map(sympy.Float, weights), strict=True))
    value = loss.expression.evalf(30, subs=point)
    return float(value), [float(g.evalf(30, subs=point)) for g in losses.gradient(loss)]


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_sympy_numpy_and_numba_agree(loss):
    weights = np.random.default_rng(1).normal(size=(loss.dimension, 5))
    numpy_loss = losses.for_numpy(loss)
    one = np.ones(5)
    records = toy_ensemble.run(
        loss, weights, learning_rate=one, weight_decay=0 * one, n_steps=1, record_every=1
    )
    slopes = weights - records.weights
    for k in range(5):
        value, slope = symbolic(loss, weights[:, k])
        assert numpy_loss.loss(weights)[k] == pytest.approx(value, rel=1e-13, abs=1e-15)
        assert records.train_loss[0, k] == pytest.approx(value, rel=1e-13, abs=1e-15)
        np.testing.assert_allclose(numpy_loss.gradient(weights)[:, k], slope, rtol=0, atol=1e-14)
        np.testing.assert_allclose(slopes[:, k], slope, rtol=0, atol=2e-14)
        norm = np.linalg.norm(weights[:, k])
        assert records.weight_norm[0, k] == pytest.approx(norm, rel=1e-14)
        expected = np.linalg.norm(slope) * norm
        assert records.effective_grad_norm[0, k] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_hessian_is_the_derivative_of_the_gradient_and_of_degree_minus_two(loss):
    weights = np.random.default_rng(2).normal(size=loss.dimension)
    numpy_loss = losses.for_numpy(loss)
    shift = 1e-6 * np.eye(loss.dimension)
    columns = [numpy_loss.gradient(weights + s) - numpy_loss.gradient(weights - s) for s in shift]
    hessian = numpy_loss.hessian(weights)
    np.testing.assert_allclose(hessian, np.array(columns).T / 2e-6, atol=1e-8)
    np.testing.assert_allclose(numpy_loss.hessian(3 * weights), hessian / 9, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["rayleigh", "multi-block", "isotropic", "custom"])
def test_eulers_identity_is_proved_symbolically(name):
    loss = LOSSES[name]
    assert expression.euler_defect(loss.expression, loss.coordinates) == 0


def test_curvature_on_the_sphere_is_the_spread_of_the_spectrum():
    loss = losses.rayleigh([0.5, 2.0, 4.0])
    assert losses.spherical_sharpness(loss, np.array([7.0, 0, 0])) == pytest.approx(3.5)
    assert losses.spherical_sharpness(loss, np.array([0, 0.1, 0])) == pytest.approx(2.0)


@pytest.mark.slow
def test_logistic_gradient_and_curvature_vanish_with_the_loss():
    points = [[1.0, 0.1], [1.0, -0.1]]
    best = np.array([1.0, 0.0])
    found = [
        (losses.for_numpy(loss).loss(best), losses.spherical_sharpness(loss, best))
        for loss in (losses.logistic(points, scale) for scale in (10.0, 20.0, 40.0))
    ]
    for scale, (value, curvature) in zip((10.0, 20.0, 40.0), found, strict=True):
        assert value == pytest.approx(np.log1p(np.exp(-scale)), rel=1e-12)
        # at both points: z = s, dz/dtheta = +-s/10, d2z/dtheta2 = -s; F'' = sum p (z'^2 - z'')
        p = 1 / (1 + np.exp(scale))
        expected = p * (1 - p) * scale**2 / 100 + p * scale
        assert curvature == pytest.approx(expected, rel=1e-9)


def test_large_rayleigh_has_the_closed_form_of_the_small_one():
    alphas = np.linspace(0.2, 3, 70)
    large = losses.for_numpy(losses.rayleigh(alphas.tolist()))
    w = np.random.default_rng(3).normal(size=70)
    point = np.linalg.norm(w)
    assert large.loss(w) == pytest.approx((alphas * w**2).sum() / (2 * point**2))
    shift = 1e-6 * np.eye(70)[4]
    slope = (large.loss(w + shift) - large.loss(w - shift)) / 2e-6
    assert large.gradient(w)[4] == pytest.approx(slope, rel=1e-6)
    column = (large.gradient(w + shift) - large.gradient(w - shift)) / 2e-6
    np.testing.assert_allclose(large.hessian(w)[:, 4], column, atol=1e-8)


def test_a_gradient_whose_expansion_has_billions_of_terms_is_left_as_it_is():
    loss = losses.custom("(x+y+z+w+a+b+c+d)**100/(x**2+y**2)**50")
    assert even_forms.forms(loss).pulls[0].count_ops() < 50


def test_gradients_too_long_to_compile_are_refused(monkeypatch):
    monkeypatch.setattr(even_forms, "_MOST_OPERATIONS", 100)
    terms = (f"{i}*x**2*y/((x + {i}*y)*(x**2 + {i}*y**2))" for i in range(1, 7))
    loss = losses.custom("+".join(terms))
    with pytest.raises(ValueError, match=r"take \d{3} operations, at most 100 can be compiled"):
        even_forms.forms(loss)


@pytest.mark.parametrize("text", ["log(x) - log(y)", "(x+y)**2/(x**2+y**2) + 2", "x/abs(x+y)"])
def test_scale_invariance_is_proved(text):
    assert losses.custom(text).dimension == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x**2/(x**2+y**2) + 0.1*x**2", "term x\\*\\*2/10 has degree 2"),
        ("(x**2 + y)/(x**2+y**2)", "where the rest of x\\*\\*2 \\+ y has"),
        ("exp(-x)*y/y", "-x inside exp\\(-x\\) has degree 1"),
        ("x*y", "all of x\\*y has degree 2"),
        ("x", "two different coordinates"),
        ("x/", "cannot be read"),
        ("__import__('os').system('true')", "not allowed"),
        ("x**y", "must be a number"),
        ("gamma(x/y)", "unknown function gamma"),
        ("1e400*x/y", "a number beyond the range of floating point"),
        ("exp(exp(exp(exp(100))))*x/y", "no finite real number"),
        ("(1e300*1e300*x/y)**2", "no finite real number"),
        ("sqrt(-1)*x/y", "no finite real number"),
        ("x/(y - y)*y", "no finite real number"),
        ("x**99999999/y**99999999", "a number of at most 100"),
        ("((x**50)**50)/y**2500", "with those around it multiplied"),
        ("((((2**100)**100)**100)**100)*x/y", "with those around it multiplied"),
        ("abs(abs(abs((2*x)**100)**100)**100)/y", "with those around it multiplied"),
        ("2**2**2**2**2*x/y", "a number of at most 100"),
        ("x**exp(exp(exp(exp(100))))/y", "no finite real number"),
        ("sin(" * 90 + "x/y" + ")" * 90, "nested more than 40 deep"),
        ("x/y+" * 3000 + "x/y", "at most 10000 characters, got 12003"),
        ("x/y+" * 1500 + "x/y", "too many terms"),
        ("+".join(f"x{i}/y{i}" for i in range(40)), "at most 64 weights"),
    ],
)
def test_what_is_refused_and_why(text, message):
    names = ("x", "y") if "y" in text and "exp" in text else None
    with pytest.raises(ValueError, match=message):
        losses.custom(text, names)


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match=r"unknown symbol beta in .*; the coordinates are x, y"):
        losses.custom("beta*x**2/(x**2 + y**2)", ("x", "y"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.rayleigh([1.0, 1.0]),
        lambda: losses.rayleigh([1.0, float("nan")]),
        lambda: losses.multi_block([1.0, -2.0]),
        lambda: losses.isotropic(1),
        lambda: losses.isotropic(10**9),
        lambda: losses.multi_block([1.0] * 33),
        lambda: losses.logistic([[1.0], [2.0]]),
        lambda: losses.logistic(np.ones((10, 7)).tolist()),
    ],
)
def test_impossible_losses_are_refused(make):
    with pytest.raises(ValueError, match=r"got"):
        make()
