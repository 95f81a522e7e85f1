from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from theory.cycle_models.next_jump import KnownCycles, Outlook, known_cycles, look_ahead
from theory.cycle_models.next_jump.normal_law import NormalLaw, Student
from theory.laws import decay_rate, long_run_decay

from ...recorded import recorded_run

LR, WD = 0.5, 4e-3
RATE = decay_rate(LR * WD)
SURELY_NORMAL = 1e9  # degrees of freedom


def sawtooth(rng, n_cycles, *, onset=-3.0, spread=0.3, slope=0.5, share=0.9, first=-3.2, fall=0):
    """``ln(elr)`` of sudden jumps from onsets that depend on their landings, and the onsets."""
    u, onsets, top = [-4.2], [], first
    while True:
        rise = share * RATE
        steps = np.arange(1, max(int((top - u[-1]) / rise), 1) + 1)
        u.extend((u[-1] + rise * steps).tolist())
        onsets.append(len(u) - 1)
        if len(onsets) > n_cycles:
            return np.array(u), np.array(onsets)
        landing = min(rng.normal(-3.9, 0.2), u[-1] - 0.2)
        u.extend(np.linspace(u[-1], landing, fall + 2)[1:].tolist())
        mean = onset + slope * (landing + 3.9)
        top = landing
        while top < landing + 0.15:
            top = rng.normal(mean, spread)


def run_of(u, *, every=1, **changes):
    """A recorded run with these ``ln(elr)``, every so many steps apart."""
    norms = np.sqrt(LR / np.exp(u))
    return replace(recorded_run(norms, np.ones(len(u)), LR, WD, every=every), **changes)


def known(**changes):
    """An outlook with round numbers and nothing but the onset unknown."""
    made = Outlook(
        onset=Student(-3.0, 0.2, SURELY_NORMAL),
        share=Student(0.0, 0.0, SURELY_NORMAL),
        start=-3.5,
        passed=-3.4,
        rate=RATE,
        delay=0.0,
        begun=0.0,
        learning_rate=LR,
        weight_decay=WD,
        n_steps=100,
    )
    return replace(made, **changes)


def test_a_known_distribution_of_onsets_gives_probabilities_in_closed_form():
    made, left = known(), norm.sf(-3.4, -3.0, 0.2)
    for n in (10, 60, 100, 200):
        reached = max(-3.5 + RATE * n, -3.4)
        assert made.probability(n) == pytest.approx(1 - norm.sf(reached, -3.0, 0.2) / left)
    assert made.probability(20) == 0  # has to pass again what it has passed
    for share, wait in ((0.5, made.median_wait), (0.05, made.low), (0.95, made.high)):
        onset = norm.isf((1 - share) * left, -3.0, 0.2)
        assert wait == pytest.approx((onset + 3.5) / RATE)


def test_a_slower_rise_and_a_fall_before_it_put_the_jump_off():
    slow = known(share=Student(np.log(0.5), 0.0, SURELY_NORMAL))
    assert slow.median_wait == pytest.approx(2 * known().median_wait)
    assert known(delay=40).median_wait == pytest.approx(known().median_wait + 40)
    # no share is more than the whole, however little is known of it
    unsure = known(share=Student(0.0, 0.5, SURELY_NORMAL))
    assert unsure.low > known().low
    assert unsure.high > 1.5 * known().high


def test_a_jump_that_may_have_begun_comes_at_once():
    made = known(begun=0.6)
    assert made.probability(0) == 0.6
    assert made.median_wait == 0
    assert made.probability(100) == pytest.approx(0.6 + 0.4 * known().probability(100))
    assert made.avoiding_weight_decay(100) is None
    assert "now, if it has not begun (90 %: 0 to" in made.sentence()


def test_what_avoids_the_jump_avoids_it_as_surely_as_said():
    made, n = known(), 150
    decay, rate = made.avoiding_weight_decay(n), made.avoiding_learning_rate(n)
    factor = decay / WD
    assert replace(made, rate=factor * RATE).probability(n) == pytest.approx(0.1)
    # the decay scales all waits, so that the tenth of them is moved to n
    assert factor == pytest.approx(made.wait(0.1) / n)
    down = rate / LR
    moved = replace(made, rate=down * RATE, start=-3.5 + np.log(down))
    assert moved.probability(n) == pytest.approx(0.1)
    assert down > factor  # the effective rate falls with it at once
    assert made.avoiding_weight_decay(20) == WD  # nothing has to be avoided
    said = made.sentence(n)
    assert f"within the next 150 steps it comes with probability {made.probability(n):.2f}" in said
    assert f"a weight decay of {decay:.2g} or a learning rate of {rate:.2g} from now on." in said
    assert "from now on" not in made.sentence(20)


def test_a_law_learnt_at_once_and_bit_by_bit_is_the_same():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    start = NormalLaw((0.3, -0.2), ((2.0, 0.1), (0.1, 1.0)), 0.4, 3.0)
    at_once, bit_by_bit = start.after(x, y), start.after(x[:4], y[:4]).after(x[4:], y[4:])
    assert bit_by_bit.coefficients == pytest.approx(at_once.coefficients)
    assert bit_by_bit.spread == pytest.approx(at_once.spread)
    assert bit_by_bit.freedom == at_once.freedom == 12


def test_values_alone_give_the_prediction_interval_of_the_textbook():
    values = np.array([1.0, 1.5, 1.2, 2.1, 1.7])
    nothing = NormalLaw((0.0,), ((0.0,),), 1.0, 1e-12)
    found = nothing.after(np.ones((5, 1)), values).at(1.0)
    width = values.std(ddof=1) * (1 + 1 / 5) ** 0.5
    assert (found.mean, found.scale) == pytest.approx((values.mean(), width))
    for value in (0.5, 1.5, 3.0):
        assert found.above(value) == pytest.approx(t.sf((value - values.mean()) / width, 4))


def test_few_cycles_leave_more_doubt_than_many():
    rng = np.random.default_rng(3)
    u, onsets = sawtooth(rng, 40)
    few, many = (KnownCycles.of(run_of(u[: onsets[k] + 5])) for k in (2, 40))
    widths = [one.onset_after(-3.9).scale * t.isf(0.01, one.onset.freedom) for one in (few, many)]
    assert widths[0] > 1.5 * widths[1]
    assert many.onset_after(-3.9).mean == pytest.approx(-3.0, abs=0.1)
    assert many.onset.spread == pytest.approx(0.3, rel=0.25)
    assert many.onset.coefficients[1] == pytest.approx(0.5, abs=0.3)
    assert np.exp(many.share.coefficients[0]) == pytest.approx(0.9, abs=0.02)


def test_probabilities_are_the_frequencies_of_a_simulated_process():
    """All waits, as shares of their distributions, are uniform; a constant rate does worse."""
    rng = np.random.default_rng(1)
    said, constant, came, places = [], [], [], []
    for _ in range(60):
        u, onsets = sawtooth(rng, 14, fall=6)
        for step in rng.integers(onsets[3], onsets[-1], 8):
            seen = np.searchsorted(onsets, step)
            try:
                found = look_ahead(run_of(u[: step + 1]))
            except ValueError:
                continue
            wait, n = onsets[seen] - step, rng.uniform(20, 500)
            rate = (seen - 1) / (onsets[seen - 1] - onsets[0])
            places.append(found.probability(wait))
            said.append(found.probability(n))
            constant.append(1 - np.exp(-rate * n))
            came.append(wait <= n)
    said, came, places = np.array(said), np.array(came), np.array(places)
    assert len(said) > 450
    assert np.histogram(places, 4, (0, 1))[0] / len(places) == pytest.approx(0.25, abs=0.06)
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)):
        inside = (said >= low) & (said <= high)
        assert came[inside].mean() == pytest.approx(said[inside].mean(), abs=0.1)
    brier, simple = (((p - came) ** 2).mean() for p in (said, np.array(constant)))
    assert brier < 0.75 * simple


def test_the_first_jump_does_not_count():
    one, _ = sawtooth(np.random.default_rng(5), 5, first=-3.2)
    other, _ = sawtooth(np.random.default_rng(5), 5, first=-3.25)
    found = [KnownCycles.of(run_of(u)).onset for u in (one, other)]
    assert found[0].spread == pytest.approx(found[1].spread, rel=0.05)
    u, onsets = sawtooth(np.random.default_rng(5), 5)
    low = KnownCycles.of(run_of(np.concatenate([u[: onsets[0]], [2.0], u[onsets[0] + 1 :]])))
    assert low.onset.coefficients == pytest.approx(KnownCycles.of(run_of(u)).onset.coefficients)


def test_sparse_records_tell_the_same_steps():
    u, onsets = sawtooth(np.random.default_rng(7), 8)
    end = onsets[-1] - 60
    dense, sparse = run_of(u[:end]), run_of(u[:end][(end - 1) % 4 :: 4], every=4)
    assert look_ahead(sparse).median_wait == pytest.approx(look_ahead(dense).median_wait, rel=0.05)


def test_momentum_counts_by_its_long_run_decay():
    u, onsets = sawtooth(np.random.default_rng(7), 8)
    heavy = run_of(u[: onsets[-1] - 60], momentum=0.9)
    assert look_ahead(heavy).rate == decay_rate(long_run_decay(LR, WD, 0.9))


def test_a_dip_may_be_the_beginning_of_a_jump():
    u, onsets = sawtooth(np.random.default_rng(7), 8, fall=8)
    rising = look_ahead(run_of(u[: onsets[-1]]))
    dipped = look_ahead(run_of(np.append(u[: onsets[-1]], u[onsets[-1] - 1] - 0.05)))
    assert rising.begun == 0
    # earlier rises never dipped but into a jump
    assert dipped.begun > 0.8
    assert dipped.probability(0) == dipped.begun


def test_in_the_middle_of_a_jump_the_rest_of_its_fall_comes_first():
    u, onsets = sawtooth(np.random.default_rng(7), 8, fall=30)  # 31 steps from onset to landing
    falling = look_ahead(run_of(u[: onsets[-2] + 16]))
    assert falling.delay == pytest.approx(31 - 15)
    assert falling.start == KnownCycles.of(run_of(u[: onsets[-2] + 16])).reference
    landed = look_ahead(run_of(u[: onsets[-2] + 34]))
    assert landed.delay == 0
    assert landed.start == pytest.approx(u[onsets[-2] + 33])


def resting(u, steps):
    """Goes on below the onsets of before, as a run that has come to rest does."""
    low, high = -3.6, -3.4
    level = low + (high - low) * (np.arange(steps) % 3) / 10
    return np.concatenate([u, np.linspace(u[-1], low, 100), level])


def test_a_run_that_comes_to_rest_is_expected_to_jump_later_and_later_then_not_at_all():
    u, onsets = sawtooth(np.random.default_rng(9), 6)
    landed = u[: onsets[-2] + 2]
    waits = [look_ahead(run_of(resting(landed, n))).median_wait for n in (51, 102, 201)]
    assert waits[0] < waits[1] < waits[2]
    with pytest.raises(ValueError, match=r"no jump came for 3,\d+ steps, where one was expected"):
        look_ahead(run_of(resting(landed, 3000)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weight_decay": 0.0}, "without weight decay nothing leads to the next jump"),
        ({"weight_decay": 0.0, "momentum": 0.9}, "without weight decay nothing leads to the next"),
        ({"finite": False}, "the run did not stay finite"),
        ({"stopped": True}, "the records ended early, and where the norm is by now is not known"),
        ({"update_rule": "adam"}, "for adam it is not known what decay takes from the norm"),
        ({"update_rule": "sphere"}, "for sphere it is not known"),
        ({"cut": 0}, "no period is complete so far"),
        ({"cut": 1}, "no period is complete so far"),
        ({"scheduled": True}, "the learning rate changes"),
    ],
)
def test_where_nothing_can_be_told_the_reason_is(changes, sentence):
    changes = dict(changes)
    u, onsets = sawtooth(np.random.default_rng(11), 4)
    cut = changes.pop("cut", None)
    if cut is not None:
        u = u[: onsets[cut] - 5]
    if changes.pop("scheduled", False):
        changes["step_learning_rate"] = np.linspace(LR, LR / 10, len(u))
    with pytest.raises(ValueError, match=sentence):
        look_ahead(run_of(u, **changes))


@pytest.mark.parametrize("n", [-1, float("nan"), float("inf")])
def test_a_horizon_is_a_number_of_steps(n):
    with pytest.raises(ValueError, match="n_steps must be a finite number >= 0"):
        known().probability(n)


def test_what_was_known_before_and_own_cycles_are_weighed():
    u, onsets = sawtooth(np.random.default_rng(2), 3)
    before = replace(
        known_cycles.unknown(-3.9),
        onset=NormalLaw((-2.0, 0.5), ((4.0, 0.0), (0.0, 4.0)), 0.3, 10.0),
        share=NormalLaw((0.0,), ((4.0,),), 0.1, 10.0),
    )
    run = run_of(u[: onsets[-1] - 40])
    alone, both = KnownCycles.of(run), KnownCycles.of(run, before)
    prior, own, found = (one.onset_after(-3.9).mean for one in (before, alone, both))
    assert own < found < prior
    assert look_ahead(run, before).median_wait > look_ahead(run).median_wait
