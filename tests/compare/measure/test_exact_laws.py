import numpy as np
import pytest

from compare.measure.laws import exact_laws
from theory import laws
from theory.laws import equilibrium
from theory.simulation.grid import Grid, simulate
from theory.toy_losses import losses
from theory.trajectory import read_runs

LR, WD = 0.5, 0.01


@pytest.fixture
def exact():
    """A trajectory that obeys the laws: norm, g and angle."""
    gs = np.random.default_rng(0).lognormal(0, 0.5, 500)
    norms = [2.0]
    for g in gs[:-1]:
        norms.append(laws.next_weight_norm(norms[-1], g, LR, WD))
    norms = np.array(norms)
    return norms, gs, laws.angular_update(norms, gs, LR, WD)


def steps(norms, gs, angles=None, wd=WD):
    angles, rates = np.zeros_like(gs) if angles is None else angles, np.full_like(gs, LR)
    return exact_laws.Steps(norms, gs, np.zeros_like(gs), rates, wd, angles, norms[1:], rates[1:])


def test_exact_trajectories_leave_no_residual(exact):
    norms, gs, angles = exact
    assert exact_laws.norm_law_residual(steps(norms, gs)) < 1e-13
    assert exact_laws.elr_law_residual(steps(norms, gs)) < 1e-13
    assert exact_laws.angle_law_residual(steps(norms, gs, angles)) < 1e-13
    assert exact_laws.jump_agreement(steps(norms, gs, angles)) == 1


def test_residuals_have_the_size_of_the_violation(exact):
    norms, gs, angles = exact
    norms, angles = norms.copy(), angles.copy()
    norms[100] *= 1 + 1e-4
    angles[7] *= 1.01
    assert exact_laws.norm_law_residual(steps(norms, gs)) == pytest.approx(2e-4, rel=0.05)
    assert exact_laws.elr_law_residual(steps(norms, gs)) == pytest.approx(2e-4, rel=0.05)
    assert exact_laws.angle_law_residual(steps(norms, gs, angles)) == pytest.approx(0.01, rel=0.05)


def test_a_wrong_decay_is_seen(exact):
    norms, gs, angles = exact
    assert exact_laws.norm_law_residual(steps(norms, gs, wd=1.1 * WD)) == pytest.approx(
        2e-3 * LR, rel=0.05
    )
    assert exact_laws.jump_agreement(steps(norms, gs, 2 * angles)) < 0.9


def test_steps_whose_angle_was_not_recorded_say_nothing_of_the_criterion(exact):
    norms, gs, angles = exact
    known = np.arange(len(angles)) % 3 > 0
    assert exact_laws.jump_agreement(steps(norms, gs, np.where(known, angles, np.nan))) == 1
    assert np.isnan(exact_laws.jump_agreement(steps(norms, gs, np.full_like(angles, np.nan))))


def test_level_one_predicts_from_the_mean_squared_gradient(networks):
    from compare.measure.observables import measure

    observed = measure(read_runs(networks)).assign_coords(
        {name: networks[name] for name in ("learning_rate", "weight_decay", "momentum")}
    )
    predicted = exact_laws.equilibrium_from_gradient(observed)
    for i in (0, 40):
        wd, p = float(observed["weight_decay"][i]), float(observed["mean_squared_g"][i])
        assert float(predicted[i]) == equilibrium.sgd(LR, wd, p).norm
    ratio = predicted / observed["equilibrium_norm"]
    assert 0.8 < float(ratio.min()) < float(ratio.max()) < 1.0


def test_laws_of_single_steps_are_not_held_against_sparse_records():
    grid = Grid((0.1,), (0.01,), n_steps=100, record_every=5)
    found = exact_laws.check_laws(read_runs(simulate(losses.rayleigh([0.0, 1.0]), grid)))
    assert np.isnan(found["norm_law_residual"]).all()
    assert found["reason_norm_law_residual"].values.tolist() == [
        "records are 5 steps apart, and the exact laws relate consecutive steps"
    ]
