import numpy as np
import pytest

from theory import equilibrium, laws

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
