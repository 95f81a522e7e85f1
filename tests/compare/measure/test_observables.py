from dataclasses import replace

import numpy as np
import pytest

from compare.measure import observables
from theory import laws
from theory.simulation.grid import Grid, simulate
from theory.toy_losses import losses
from theory.trajectory import jumps, read_runs

from ...recorded import recorded_run

LR, WD = 0.5, 2e-3
INTRINSIC = LR * WD
RATE = -2 * np.log1p(-INTRINSIC)


def recursion(gs, start=2.0, lr=LR, wd=WD):
    """Norms of the exact law for given gradients; gs may depend on the norm."""
    norms = [start]
    for g in gs[:-1]:
        norms.append(laws.next_weight_norm(norms[-1], g, lr, wd))
    return np.array(norms), np.asarray(gs)


def sawtooth(n_cycles, period=700, drop=1.4, burst=5):
    """Decay with no gradient, then a burst that takes ln(elr) back by `drop`."""
    norm, norms, gs = 2.0, [], []
    for _ in range(n_cycles):
        for step in range(period):
            phi = laws.reduced_lr(norm, LR, WD)
            bursting = step >= period - burst
            g = np.sqrt(np.expm1(drop / burst)) / phi if bursting else 0.0
            norms.append(norm)
            gs.append(g)
            norm = laws.next_weight_norm(norm, g, LR, WD)
    return np.array(norms), np.array(gs)


def measured_run(*arrays, **options):
    return observables.measure_run(recorded_run(*arrays, **options))


def test_without_decay_there_is_no_rate_of_decay():
    """Though the norm falls and rises, as a penalty in the loss has it."""
    norms, gs = sawtooth(8)
    measured = measured_run(norms, gs, LR, 0.0)
    assert measured["n_jumps"] == 8
    assert np.isnan(measured["decay_rate_ratio"])
    assert measured["reason_decay_rate_ratio"] == "no weight decay"


def test_a_sawtooth_is_measured_exactly():
    drop = 700 * RATE
    norms, gs = sawtooth(8, drop=drop)
    measured = measured_run(norms, gs, LR, WD)
    assert measured["regime"] == "periodic"
    assert measured["n_jumps"] == 8
    assert measured["n_cycles"] == 7
    assert measured["first_jump"] == 695
    assert measured["period"] == 700
    assert measured["period_std"] == 0
    top = LR / 2.0**2 * np.exp(695 * RATE)
    assert measured["effective_lr_before_jump"] == pytest.approx(top, rel=1e-9)
    bottom = top * np.exp(5 * RATE - drop)
    assert measured["effective_lr_after_jump"] == pytest.approx(bottom, rel=1e-2)
    assert measured["decay_rate_ratio"] == pytest.approx(-np.log1p(-INTRINSIC) / INTRINSIC)
    assert measured["log_balance_ratio"] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("end", [1.0, 0.01])
def test_a_scheduled_rate_without_gradients_leaves_decay_alone(end):
    """Half a cosine, or a constant rate: the norm does nothing but shrink."""
    t = np.arange(4000) / 4000
    rates = LR * (end + (1 - end) * (1 + np.cos(np.pi * t)) / 2)
    norms = 2.0 * np.cumprod(np.append(1.0, 1 - rates[:-1] * WD))
    measured = measured_run(norms, np.full(4000, 1e-9), LR, WD, rates=rates)
    assert measured["regime"] == "convergence"


@pytest.mark.parametrize(("g", "regime"), [(0.0, "convergence"), (0.6, "equilibrium")])
def test_the_growing_twin_has_the_regime_of_the_run_with_decay(g, regime):
    """It has its effective learning rate, at a rate that grows beyond all bounds."""
    norms, gs = recursion(np.full(30_000, g))
    decayed = recorded_run(norms, gs, LR, WD)
    growth = np.exp(np.minimum(RATE * np.arange(30_000), 300))
    twin = replace(decayed, update_rule="growing", step_learning_rate=LR * growth)
    assert observables.measure_run(decayed)["regime"] == regime
    assert observables.measure_run(twin)["regime"] == regime


def test_a_norm_that_still_grows_is_not_at_rest():
    """A gradient that would rest at ``(g^2 eta / 2 lam)^(1/4)``, 14.1, seen before and there."""
    g = 20 * np.sqrt(2 * WD / LR) * 10
    young, _ = recursion(np.full(100, g), start=4.0)
    assert young[-1] > 1.1 * young[50]
    assert measured_run(young, np.full(100, g), LR, WD)["regime"] == "convergence"
    settled, _ = recursion(np.full(8000, g), start=4.0)
    assert measured_run(settled, np.full(8000, g), LR, WD)["regime"] == "equilibrium"


def test_two_cycles_are_refused_with_a_reason():
    norms, gs = sawtooth(3)
    measured = measured_run(norms, gs, LR, WD)
    assert np.isnan(measured["period"])
    assert measured["reason_period"] == "2 cycles, 3 needed"
    assert measured["n_jumps"] == 3


def test_the_transient_of_initialisation_is_no_jump():
    log_elr = np.concatenate([np.linspace(0, -1, 20), np.linspace(-1, 0, 500), [-0.5, -0.6, -0.4]])
    found = jumps.find_jumps(log_elr)
    assert found.onsets.tolist() == [519]
    assert found.landings.tolist() == [521]
    assert found.start == 19


def test_small_wiggles_are_no_jumps():
    log_elr = np.linspace(0, 3, 3000) + 0.04 * np.sin(np.arange(3000) / 5)
    assert len(jumps.find_jumps(log_elr).onsets) == 0


def test_noise_about_an_equilibrium_is_no_sawtooth():
    lr, wd = 0.5, 0.1
    gs = np.random.default_rng(0).lognormal(0, 0.4, 6000)
    norms, gs = recursion(gs, lr=lr, wd=wd)
    measured = measured_run(norms, gs, lr, wd)
    assert measured["n_jumps"] > 20
    assert measured["regime"] == "equilibrium"
    assert measured["mean_squared_g"] == pytest.approx(np.exp(2 * 0.16), rel=0.05)
    assert np.isnan(measured["decay_rate_ratio"])
    assert measured["reason_decay_rate_ratio"] == "no phase A: the regime is equilibrium"


def test_quiet_equilibrium_and_free_decay_are_told_apart():
    gs = np.full(8000, 0.05)
    settled, _ = recursion(gs, start=(LR * 0.05**2 / (2 * WD)) ** 0.25)
    assert measured_run(settled, gs, LR, WD)["regime"] == "equilibrium"
    decaying, _ = recursion(1e-3 * gs[:1500])
    measured = measured_run(decaying, 1e-3 * gs[:1500], LR, WD)
    assert measured["regime"] == "convergence"
    assert np.isnan(measured["equilibrium_norm"])
    assert "relaxation times" in measured["reason_equilibrium_norm"]
    assert measured["reason_first_jump"] == "no jump"


def test_without_decay_nothing_is_periodic():
    gs = np.full(500, 0.3)
    norms, _ = recursion(gs, wd=0.0)
    assert measured_run(norms, gs, LR, 0.0)["regime"] == "convergence"


def test_runs_that_blew_up_are_divergent_however_short():
    for n in (2, 50):
        norms = np.linspace(1, 2, n)
        measured = measured_run(norms, norms, LR, WD, finite=False)
        assert measured["regime"] == "divergence"


def test_closed_stretch_starts_and_ends_at_the_same_level():
    norms, _ = sawtooth(6)
    log_elr = np.log(laws.effective_lr(norms, LR))
    stretch = observables.closed_stretch(log_elr)
    assert abs(log_elr[stretch.stop] - log_elr[stretch.start]) < 2 * RATE
    assert (stretch.stop - stretch.start) == pytest.approx(5 * 700, abs=3)


def test_jumps_at_a_scheduled_rate_have_the_effective_lr_of_their_step():
    norms, gs = sawtooth(6)
    rates = np.linspace(LR, LR / 2, len(norms))
    constant = measured_run(norms, gs, LR, WD)
    scheduled = measured_run(norms, gs, LR, WD, rates=rates)
    assert scheduled["period"] == constant["period"]
    onsets = 695 + 700 * np.arange(6)
    factor = np.exp(np.log(rates[onsets] / LR).mean())
    assert scheduled["effective_lr_before_jump"] == pytest.approx(
        factor * constant["effective_lr_before_jump"], rel=1e-9
    )
    assert np.isnan(scheduled["log_balance_ratio"])
    assert scheduled["reason_decay_rate_ratio"] == "the learning rate is not constant"


def test_a_simulation_recorded_sparsely_has_the_jumps_of_the_one_recorded_in_full():
    loss = losses.logistic([[1.0, 0.0], [0.5, 0.0], [0.25, 0.0]], 5.0)
    grid = Grid((1.0,), (1e-3,), (0, 1), n_steps=40_000)
    full = observables.measure(read_runs(simulate(loss, grid)))
    sparse = observables.measure(read_runs(simulate(loss, replace(grid, record_every=10))))
    assert (full["n_cycles"] >= 8).all()
    for name in ("n_jumps", "n_cycles", "regime"):
        np.testing.assert_array_equal(sparse[name], full[name])
    for name in ("period", "period_std", "first_jump"):
        np.testing.assert_allclose(sparse[name], full[name], rtol=0, atol=10)
    for name in ("effective_lr_before_jump", "decay_rate_ratio"):
        np.testing.assert_allclose(sparse[name], full[name], rtol=0.02)
    np.testing.assert_allclose(
        sparse["effective_lr_after_jump"], full["effective_lr_after_jump"], rtol=0.05
    )
    np.testing.assert_allclose(sparse["equilibrium_norm"], full["equilibrium_norm"], rtol=0.01)
    assert np.isfinite(full["log_balance_ratio"]).all()
    assert np.isnan(sparse["log_balance_ratio"]).all()


def test_a_decaying_norm_recorded_sparsely_still_converges():
    # a fifth of the steps of an unbroken decay, and a norm at rest
    log_norm = -np.log1p(-INTRINSIC) * -np.arange(0, 4000, 50.0)
    zeros = np.zeros_like(log_norm)
    decaying = measured_run(np.exp(log_norm), zeros, LR, WD, every=50)
    resting = measured_run(np.exp(0.2 * log_norm), zeros, LR, WD, every=50)
    assert (decaying["regime"], resting["regime"]) == ("convergence", "equilibrium")
