import numpy as np
import pytest

from theory import laws
from theory.laws import equilibrium

SETTINGS = [(0.01, 1e-3, 50.0), (0.5, 0.1, 3.0), (1.0, 0.4, 2.0)]


@pytest.mark.parametrize(("lr", "wd", "g"), SETTINGS)
def test_sgd_equilibrium_is_the_fixed_point_of_the_norm_law(lr, wd, g):
    state = equilibrium.sgd(lr, wd, g**2)
    assert laws.next_weight_norm(state.norm, g, lr, wd) == pytest.approx(state.norm, rel=1e-14)
    angle = laws.angular_update(state.norm, g, lr, wd)
    assert state.angular_update == pytest.approx(angle, rel=1e-12)
    assert state.effective_lr == pytest.approx(lr / state.norm**2, rel=1e-15)


def test_relaxation_and_settling_describe_the_recursion():
    lr, wd, g = 0.1, 0.01, 2.0
    state = equilibrium.sgd(lr, wd, g**2)
    norms = [3 * state.norm]
    for _ in range(3000):
        norms.append(laws.next_weight_norm(norms[-1], g, lr, wd))
    excess = (np.array(norms) / state.norm) ** 4 - 1
    e_fold = int(state.relaxation_steps)
    assert excess[e_fold] / excess[0] == pytest.approx(np.exp(-1), rel=5e-3)
    settled = int(np.argmax(np.array(norms) < 1.02 * state.norm))
    predicted = equilibrium.settling_steps(norms[0], state, tolerance=0.02)
    assert predicted == pytest.approx(settled, rel=5e-3)
    assert equilibrium.settling_steps(0.995 * state.norm, state) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0.0, 0.1, 1.0), "learning_rate must be a positive finite number, got 0"),
        ((float("nan"), 0.1, 1.0), "learning_rate must be a positive finite number, got nan"),
        ((0.1, -0.1, 1.0), "weight_decay must be a finite number >= 0, got -0.1"),
        ((0.1, 0.0, 1.0), "weight_decay must be a positive finite number, got 0"),
        ((2.0, 0.5, 1.0), "learning_rate \\* weight_decay must be below 1, got 2.0 \\* 0.5 = 1"),
        ((0.1, 0.1, 0.0), "mean_squared_g must be a positive finite number, got 0"),
    ],
)
def test_bad_values_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        equilibrium.sgd(*arguments)


def decay_to(square, state, change, tolerance):
    """Steps of ``square += change(square)`` until the norm is within the tolerance."""
    steps = 0
    while abs(np.sqrt(square) / state.norm - 1) > tolerance:
        square += change(square)
        steps += 1
    return steps


@pytest.mark.parametrize("ratio", [0.2, 5.0])
def test_adaptive_optimizers_settle_as_their_mean_equation(ratio):
    lr, wd, size, sum_g = 1e-3, 0.5, 10_000, 2e4
    start, tolerance = ratio**2, 0.05
    decoupled = [
        equilibrium.adamw(lr, wd, size, beta1=0.0, beta2=0.5),
        equilibrium.lion(lr, wd, size),
    ]
    for state in decoupled:
        gain = (1 - (1 - lr * wd) ** 2) * state.norm**2
        steps = decay_to(
            start * state.norm**2,
            state,
            lambda square, gain=gain: gain + ((1 - lr * wd) ** 2 - 1) * square,
            tolerance,
        )
        predicted = equilibrium.settling_steps(ratio * state.norm, state, tolerance=tolerance)
        assert predicted == pytest.approx(steps, rel=0.01)
    state = equilibrium.adam_l2(lr, wd, sum_g, size, beta2=0.5)
    steps = decay_to(
        start * state.norm**2,
        state,
        lambda square: lr**2 * size - 2 * lr * wd * size / sum_g * square**1.5,
        tolerance,
    )
    predicted = equilibrium.settling_steps(ratio * state.norm, state, tolerance=tolerance)
    assert predicted == pytest.approx(steps, rel=0.01)


@pytest.mark.parametrize(
    ("rule", "changes", "sentence"),
    [
        ("sgd_with_momentum", {"momentum": 1.0}, "momentum must be from 0 to below 1, got 1.0"),
        ("adamw", {"n_weights": 0}, "n_weights must be >= 1, got 0"),
        ("adamw", {"beta1": -0.1}, "beta1 must be from 0 to below 1, got -0.1"),
        ("adam_l2", {"sum_g": 0.0}, "sum_g must be a positive finite number, got 0"),
        ("adam_l2", {"learning_rate": 50.0}, "must be below 1, got"),
        ("lion", {"beta2": 0.999999}, "beta2 must be at most 0.99999 for lion, got 0.999999"),
        ("lion", {"weight_decay": 0.0}, "weight_decay must be a positive finite number, got 0"),
    ],
)
def test_bad_values_of_the_other_optimizers_are_named(rule, changes, sentence):
    needed = {
        "sgd_with_momentum": {"mean_squared_g": 1.0, "momentum": 0.5},
        "adamw": {"n_weights": 100},
        "adam_l2": {"sum_g": 10.0, "n_weights": 100},
        "lion": {"n_weights": 100},
    }
    arguments = {"learning_rate": 0.1, "weight_decay": 0.01} | needed[rule] | changes
    with pytest.raises(ValueError, match=sentence):
        getattr(equilibrium, rule)(**arguments)
