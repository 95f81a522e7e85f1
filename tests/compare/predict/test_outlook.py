from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from compare.calibration.laws.evidence import KICKS, QUANTITIES, SCATTER
from compare.calibration.laws.regularised import Laws, Prior
from compare.predict import from_study, outlook
from theory.laws import decay_rate

START = -4.5
LEVELS = {
    "log_kick": 0.0,
    "youth": 0.0,
    "onset": -2.8,
    "landing": -3.8,
    "onset_spread": -1.2,
    "variation": np.log(0.3),
    "reach": -3.0,
    "first_spread": np.log(0.2),
    "growth": -6.0,
    "loss_floor": -6.0,
}
AT = 1e-3
RATE = decay_rate(AT)


def laws(spread=0.0, **changes):
    """Every quantity the same at all decays, with a level that is known to so much."""
    levels = {**LEVELS, **changes}
    mean = np.zeros((len(QUANTITIES), 4))
    mean[:, 0] = [levels[name] for name in QUANTITIES]
    covariance = np.zeros((mean.size, mean.size))
    covariance[::4, ::4] = spread**2 * np.eye(len(QUANTITIES))
    nothing = (0.0,) * len(QUANTITIES)
    rows = tuple(map(tuple, covariance.tolist()))
    return Laws(Prior(QUANTITIES, tuple(mean.ravel().tolist()), rows, nothing, nothing))


def test_a_network_that_is_known_is_drawn_as_it_is():
    network = outlook.networks(laws(), AT, START)
    for name, value in {
        "period": 1 / RATE,
        "variation": 0.3,
        "first": 1.5 / RATE,
        "first_spread": 0.2 / RATE,
        "onset": -2.8,
        "landing": -3.8,
        "growth": -6.0,
    }.items():
        np.testing.assert_allclose(getattr(network, name), value, rtol=1e-6)


def test_what_is_not_known_of_the_kick_is_what_is_not_known_of_the_period():
    network = outlook.networks(laws(0.2), AT, START, n_draws=20_000)
    assert np.median(network.period) * RATE == pytest.approx(1.0, rel=0.01)
    assert np.log(network.period).std() == pytest.approx(0.2, rel=0.03)
    assert network.first.std() * RATE == pytest.approx(0.2, rel=0.03)


def test_periods_and_first_jumps_scatter_as_they_should():
    network = outlook.networks(laws(), AT, START, n_draws=20_000)
    single, first = outlook.single_periods(network), outlook.first_jumps(network)
    assert (single.mean() * RATE, single.std() * RATE) == pytest.approx((1.0, 0.3), rel=0.02)
    assert (first.mean() * RATE, first.std() * RATE) == pytest.approx((1.5, 0.2), rel=0.02)
    wide = outlook.networks(laws(first_spread=0.0), AT, START, n_draws=20_000)
    first = outlook.first_jumps(wide) * RATE
    assert (first.mean(), first.std()) == pytest.approx((1.5, 1.0), rel=0.03)


def test_a_short_run_has_the_long_periods_of_a_young_network():
    """The first is half as long again, and each further period has exp(-1/2) of that excess."""
    young = laws(youth=0.5, variation=-20.0, first_spread=-20.0)
    excess = 0.5 * np.exp(-np.arange(4) / 2)
    for n, n_steps in ((1, 1.6), (1, 2.5), (4, 5.5)):  # the first jump is at 1.5 / r
        network = outlook.networks(young, AT, START, n_steps=n_steps / RATE)
        np.testing.assert_allclose(network.period * RATE, 1 + excess[:n].mean(), rtol=1e-6)
    later = outlook.networks(young, AT, START)
    np.testing.assert_allclose(later.period * RATE, 1.0)


def test_what_is_known_together_is_drawn_together():
    known = laws(0.2)
    covariance = np.array(known.prior.covariance)
    onset, landing, kick = (4 * QUANTITIES.index(one) for one in ("onset", "landing", "log_kick"))
    covariance[onset, landing] = covariance[landing, onset] = 0.8 * 0.2**2
    covariance[onset, kick] = covariance[kick, onset] = -0.5 * 0.2**2
    prior = replace(known.prior, covariance=tuple(map(tuple, covariance.tolist())))
    network = outlook.networks(replace(known, prior=prior), AT, START, n_draws=20_000)
    pairs = np.corrcoef([network.onset, network.landing, np.log(network.period)])
    np.testing.assert_allclose(pairs[0, 1:], [0.8, -0.5], atol=0.03)


def test_far_from_all_that_was_seen_nothing_is_absurd():
    """Kicks and rises below zero, landings above onsets, spreads without a bound."""
    absurd = laws(0.5, log_kick=-30.0, reach=-9.0, landing=2.0, variation=9.0, first_spread=-20.0)
    network = outlook.networks(absurd, AT, START)
    assert network.period.min() > 0 and network.first.min() > 0
    np.testing.assert_allclose(network.period * RATE, KICKS[0])
    endless = outlook.networks(laws(0.5, log_kick=1e4), AT, START)
    np.testing.assert_allclose(endless.period * RATE, KICKS[1])
    np.testing.assert_allclose(network.onset - network.landing, outlook.SMALLEST_DROP)
    np.testing.assert_allclose(network.variation, 3.0)
    np.testing.assert_allclose(network.first_spread * RATE, 0.02)


def test_jumps_of_regular_periods_are_counted_out():
    """The first after 1.5 / r, one more each 1 / r, none at or beyond the end."""
    network = outlook.networks(laws(variation=-20.0, first_spread=-20.0), AT, START, n_draws=50)
    assert network.variation[0] == pytest.approx(0.02)
    for n_steps, expected in ((1.2 / RATE, 0), (2.2 / RATE, 1), (6.0 / RATE, 5)):
        times = outlook.jump_times(network, n_steps)
        assert (np.isfinite(times).sum(axis=1) == expected).all()
    np.testing.assert_allclose(times[:, :5] * RATE, np.tile(1.5 + np.arange(5), (50, 1)), atol=0.25)


def test_very_long_runs_have_as_many_jumps_as_are_drawn(monkeypatch):
    monkeypatch.setattr(outlook, "MOST_CYCLES", 7)
    network = outlook.networks(laws(), AT, START, n_draws=20)
    times = outlook.jump_times(network, 1e9)
    assert times.shape == (20, 7) and np.isfinite(times).all()
    np.testing.assert_array_equal(times[:, 0], outlook.first_jumps(network))


def test_jumps_beyond_those_that_are_drawn_are_counted(monkeypatch):
    network = outlook.networks(laws(0.1), AT, START)
    n_steps = 150 / RATE
    every = outlook.n_jumps(network, outlook.jump_times(network, n_steps), n_steps)
    monkeypatch.setattr(outlook, "MOST_CYCLES", 7)
    times = outlook.jump_times(network, n_steps)
    counted = outlook.n_jumps(network, times, n_steps)
    assert every.mean() == pytest.approx(149.5, rel=0.02)
    assert counted.mean() == pytest.approx(every.mean(), rel=0.005)
    assert counted.std() == pytest.approx(every.std(), rel=0.05)
    np.testing.assert_allclose(outlook.undrawn_steps(times, n_steps), n_steps - times[:, -1])


def test_jumps_fill_the_run():
    network = outlook.networks(laws(), AT, START)
    n_steps = 11.5 / RATE  # the first jump, and ten periods
    times = outlook.jump_times(network, n_steps)
    counts = np.isfinite(times).sum(axis=1)
    assert counts.mean() == pytest.approx(11, abs=0.7)
    known = np.where(np.isfinite(times), times, 0)
    assert known.max() < n_steps
    gaps = np.diff(times[:, :8], axis=1)
    assert (gaps[np.isfinite(gaps)] > 0).all()
    assert gaps[np.isfinite(gaps)].mean() * RATE == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "n_steps", "diverged", "regime", "probability"),
    [
        ({}, 12 / RATE, 0.0, "periodic", 1.0),
        ({}, 0.8 / RATE, 0.0, "convergence", 1.0),
        ({"growth": 0.0}, 12 / RATE, 0.0, "equilibrium", 1.0),
        ({}, 12 / RATE, 0.75, "divergence", 0.75),
        ({}, 12 / RATE, 0.25, "periodic", 0.75),
    ],
)
def test_each_regime_where_it_belongs(changes, n_steps, diverged, regime, probability):
    network = outlook.networks(laws(**changes), AT, START)
    found = outlook.regime_probabilities(network, n_steps, diverged)
    assert max(found, key=found.get) == regime
    assert found[regime] == pytest.approx(probability, abs=0.01)
    assert sum(found.values()) == pytest.approx(1)


def test_the_border_of_regimes_is_as_likely_as_not():
    """At the growing share of a quarter, y = 1/8."""
    network = outlook.networks(laws(growth=float(np.log(1 / 8))), AT, START)
    found = outlook.regime_probabilities(network, 12 / RATE)
    assert found["periodic"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("cycles", [1, 4, 16])
def test_short_runs_may_be_seen_on_the_other_side_of_the_border(cycles):
    """One standard deviation of a run of so many cycles above the border."""
    growth = np.log(1 / 8) + SCATTER["growth"] / cycles**0.5
    network = outlook.networks(laws(growth=float(growth)), AT, START)
    found = outlook.regime_probabilities(network, (1.5 + cycles) / RATE)
    # spread of the first jumps: almost none ends before its own
    jumps = 1 - found["convergence"]
    assert jumps > 0.98
    assert found["periodic"] / jumps == pytest.approx(norm.cdf(-1), rel=1e-3)


def test_intervals_hold_nine_of_ten():
    network = outlook.networks(laws(0.2), AT, START, n_draws=20_000)
    for values in (network.period, outlook.single_periods(network), outlook.first_jumps(network)):
        low, high = outlook.interval(values)
        assert (values < low).mean() == pytest.approx(0.05, abs=1e-3)
        assert (values > high).mean() == pytest.approx(0.05, abs=1e-3)


def test_half_of_the_runs_jump_by_the_median_of_the_first():
    network = outlook.networks(laws(0.1), AT, START, n_draws=20_000)
    middle = float(np.median(outlook.first_jumps(network)))
    assert outlook.no_jump(network, middle).mean() == pytest.approx(0.5, abs=0.02)
    assert outlook.no_jump(network, 1.0).mean() == pytest.approx(1.0)


def test_the_summary_says_what_can_be_said():
    network = outlook.networks(laws(0.1), AT, START)
    found = outlook.summary(network, 0.5, 12 / RATE)
    for name in ("period", "mean_period", "first_jump", "n_jumps"):
        assert found[f"{name}_low"] < found[f"{name}_high"]
    assert found["mean_period_low"] < found["period"] < found["mean_period_high"]
    assert found["period_low"] < found["mean_period_low"]
    assert found["effective_lr_before_jump"] == pytest.approx(np.exp(-2.8), rel=0.02)
    assert found["equilibrium_norm"] is None
    assert found == outlook.summary(outlook.networks(laws(0.1), AT, START), 0.5, 12 / RATE)
    at_rest = outlook.summary(replace(network, growth=network.growth * 0), 0.5, 12 / RATE)
    assert at_rest["regime"] == "equilibrium"
    assert {at_rest[name] for name in ("period", "first_jump", "n_jumps_low")} == {None}
    assert at_rest["equilibrium_norm"] == pytest.approx((0.5 / np.exp(-3.3)) ** 0.5, rel=0.02)


def test_of_a_run_that_diverges_nothing_more_is_said():
    network = outlook.networks(laws(0.1), AT, START)
    found = outlook.summary(network, 0.5, 12 / RATE, diverged=0.8)
    assert (found.pop("regime"), found.pop("regime_probability")) == ("divergence", 0.8)
    assert set(found.values()) == {None}


def test_intervals_of_a_summary_hold_their_middle():
    found = outlook.summary(outlook.networks(laws(0.1), AT, START), 0.5, 12 / RATE)
    for name in ("period", "first_jump", "effective_lr_before_jump", "effective_lr_after_jump"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    ratio = found["effective_lr_after_jump_high"] / found["effective_lr_after_jump_low"]
    assert np.log(ratio) == pytest.approx(2 * 1.645 * 0.1, rel=0.1)


@pytest.mark.parametrize(
    ("extrapolation", "said"),
    [(1.0, ""), (50.0, ""), (2000.0, "2e+03 times slower"), (0.1, "10 times faster")],
)
def test_a_word_of_caution_far_from_all_that_was_seen(extrapolation, said):
    sentence = outlook.far({"extrapolation": extrapolation})
    assert (said in sentence) if said else (sentence == "")


def test_a_network_that_may_never_jump_is_less_surely_periodic():
    network = outlook.networks(laws(0.1), AT, START)
    sure = outlook.regime_probabilities(network, 12 / RATE)
    unsure = outlook.regime_probabilities(network, 12 / RATE, resting=0.3)
    assert unsure["periodic"] == pytest.approx(0.7 * sure["periodic"])
    assert sum(unsure.values()) == pytest.approx(1)
    assert unsure["convergence"] == sure["convergence"]
    found = outlook.summary(network, 0.5, 12 / RATE, resting=0.3)
    assert found["regime"] == "periodic"
    assert found["n_jumps_low"] == 0 < found["n_jumps_high"]
    settled = outlook.summary(network, 0.5, 12 / RATE, resting=0.95)
    assert (settled["regime"], settled["period"]) == ("equilibrium", None)


@pytest.mark.parametrize(
    ("decay", "expected"), [(1e-3, 4.0), (4e-3, 1.0), (8e-3, 1.0), (1e-2, 1.0), (4e-2, 0.25)]
)
def test_extrapolation_is_from_the_nearest_that_was_seen(decay, expected):
    assert from_study._outside([4e-3, 1e-2, 5e-3], decay) == pytest.approx(expected)
