from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from compare.calibration.laws.regularised import BEND, CENTER, STUDENT, Evidence, Laws, Prior
from theory.laws import decay_rate

NAMES = ("log_kick", "onset")


def prior(spread=(0.2, 0.1, 0.05, 2.0), *, drift=0.03, error=0.02, together=0.0):
    """Two quantities of the same spreads; ``together`` correlates level of one, slope of other."""
    spreads = np.tile(spread, 2)
    covariance = np.diag(spreads**2)
    covariance[1, 4] = covariance[4, 1] = together * spreads[1] * spreads[4]
    return Prior(
        NAMES,
        (1.0, -0.1, 0.02, 7.0, -3.0, 0.1, 0.1, 0.0),
        tuple(map(tuple, covariance.tolist())),
        (drift, drift),
        (error, error),
    )


def columns(x, momentum=0.0):
    s = BEND * (np.exp(x / BEND) - 1)
    rate = decay_rate(CENTER * np.exp(x)) / (1 - momentum)
    return np.array([1, s, x - s, rate])


@pytest.mark.parametrize("doubt", [1.0, 9.0])
@pytest.mark.parametrize(
    ("seen", "at"),
    [
        ([-1.0, -2.0], -3.0),  # all slower than CENTER
        ([-1.0, 0.7], 1.2),  # paths to both sides of it are independent
        ([-1.0, 0.7], -1.0),  # the error of a setting is one for all that is asked of it
    ],
)
def test_the_posterior_is_gaussian_conditioning(seen, at, doubt):
    """Against the joint normal distribution of two settings and a third, written out."""
    held = prior()
    values, errors = [1.3, 1.1], [0.05, 0.1]
    laws = Laws(held, doubt=doubt)
    for x, value, error in zip(seen, values, errors, strict=True):
        laws = laws.seeing("log_kick", CENTER * np.exp(x), value, error)
    x = np.array([*seen, at])
    table = np.array([columns(one) for one in x])
    mean = table @ held.mean[:4]
    joint = table @ np.array(held.covariance)[:4, :4] @ table.T
    for i, j in np.ndindex(3, 3):
        together = min(abs(x[i]), abs(x[j])) if x[i] * x[j] > 0 else 0.0
        joint[i, j] += 0.03**2 * together + 0.02**2 * (x[i] == x[j])
    joint *= doubt
    known = joint[:2, :2] + np.diag(np.square(errors))
    pull = joint[2, :2] @ np.linalg.inv(known)
    expected = mean[2] + pull @ (np.array(values) - mean[:2])
    variance = joint[2, 2] - pull @ joint[:2, 2]
    found = laws.of("log_kick", CENTER * np.exp(at))
    assert found == pytest.approx((expected, variance**0.5), rel=1e-9)
    together, covariance = laws.at(CENTER * np.exp(at))
    assert (together[0], covariance[0, 0] ** 0.5) == pytest.approx(found, rel=1e-9)


def test_what_was_not_seen_is_known_the_less_the_further_it_is():
    laws = Laws(prior()).seeing("log_kick", 1e-3, 1.2, 0.03)
    spreads = [laws.of("log_kick", 1e-3 * 10.0**-far)[1] for far in (0, 0.5, 1, 2, 3)]
    assert spreads == sorted(spreads)
    assert spreads[-1] > 3 * spreads[0]


def test_a_law_can_have_a_limit_or_be_a_line():
    """straight = 0: level - BEND slope as eta lam goes to 0; straight = slope: a line."""
    known = (0.0, 0.0, 0.0, 0.0)
    still = prior(known, drift=0.0, error=0.0)
    limit = Laws(replace(still, mean=(1.0, -0.1, 0.0, 0.0) * 2))
    assert limit.of("log_kick", 1e-30)[0] == pytest.approx(1.0 + 0.1 * BEND, rel=1e-4)
    line = Laws(replace(still, mean=(1.0, -0.1, -0.1, 0.0) * 2))
    for x in (-8.0, -2.0, 1.0):
        assert line.of("log_kick", CENTER * np.exp(x))[0] == pytest.approx(1.0 - 0.1 * x, rel=1e-12)


def test_steps_count_in_proportion_to_the_decay():
    laws = Laws(prior((0.0,) * 4, drift=0.0, error=0.0))
    slow, fast = (laws.of("log_kick", at)[0] for at in (1e-3, 1e-2))
    climb = [np.dot(columns(np.log(at / CENTER))[:3], (1.0, -0.1, 0.02)) for at in (1e-3, 1e-2)]
    assert slow - climb[0] == pytest.approx(7 * decay_rate(1e-3), rel=1e-9)
    assert fast - climb[1] == pytest.approx(7 * decay_rate(1e-2), rel=1e-9)


def test_momentum_scales_the_kick_and_lengthens_the_steps():
    plain = Laws(prior())
    heavy = Laws(prior(), momentum=0.9)
    mean, spread = plain.of("onset", 1e-3)
    assert heavy.of("onset", 1e-3)[0] == pytest.approx(mean, rel=1e-12)  # it has no steps
    without_steps = plain.of("log_kick", 1e-3)[0] - 7 * decay_rate(1e-3)
    assert heavy.of("log_kick", 1e-3)[0] == pytest.approx(
        np.log(1.9) + without_steps + 7 * decay_rate(1e-3) / 0.1, rel=1e-9
    )
    seen = heavy.seeing("log_kick", 1e-3, 2.0, 1e-6)  # the same is added to what was seen
    assert seen.of("log_kick", 1e-3)[0] == pytest.approx(2.0, abs=1e-6)
    assert spread > 0


def test_on_the_way_to_the_first_jump_steps_count_as_a_root():
    laws = Laws(
        replace(prior(), names=("log_kick", "reach"), mean=(0.0,) * 7 + (4.0,)), momentum=0.9
    )
    for at in (1e-3, 1e-2):
        expected = 4 * (decay_rate(at) / 0.1) ** 0.5
        assert laws.of("reach", at)[0] == pytest.approx(expected, rel=1e-9)


def test_two_measurements_of_a_setting_are_their_weighted_mean():
    one = Evidence().and_("log_kick", 1e-3, 1.0, 0.1).and_("log_kick", 1e-3 * (1 + 1e-9), 2.0, 0.2)
    assert one.value == pytest.approx((1.2,))
    assert one.error == pytest.approx(((1 / 0.1**2 + 1 / 0.2**2) ** -0.5,))
    apart = one.and_("onset", 1e-3, 5.0, 0.1).and_("log_kick", 2e-3, 1.0, 0.1)
    assert len(apart.value) == 3


def test_a_quantity_tells_of_another_that_goes_with_it():
    """A low level of the onset, where that goes with a steep slope of the kick."""
    laws = Laws(prior(together=0.9)).seeing("onset", CENTER, -3.4, 0.01)
    free = Laws(prior()).seeing("onset", CENTER, -3.4, 0.01)
    assert free.of("log_kick", 1e-4)[0] == pytest.approx(
        Laws(prior()).of("log_kick", 1e-4)[0], rel=1e-9
    )
    assert laws.of("log_kick", 1e-4)[0] > free.of("log_kick", 1e-4)[0] + 0.3
    assert laws.of("log_kick", 1e-4)[1] < 0.8 * free.of("log_kick", 1e-4)[1]


@pytest.mark.parametrize(("bound", "scatter"), [(1.5, 0.3), (2.5, 0.3), (1.0, 0.5), (4.0, 0.8)])
def test_a_bound_moves_a_law_as_integration_says(bound, scatter):
    laws = Laws(prior())
    mean, spread = laws.of("log_kick", 1e-3)
    grid = np.linspace(mean - 8 * spread, mean + 8 * spread, 200_001)
    weight = norm.pdf(grid, mean, spread) * norm.sf(bound, grid, scatter)
    moved = np.average(grid, weights=weight)
    left = np.sqrt(np.average((grid - moved) ** 2, weights=weight))
    found = laws.exceeding("log_kick", 1e-3, bound, scatter).of("log_kick", 1e-3)
    assert found == pytest.approx((moved, left), rel=1e-6)


def test_a_bound_that_was_to_be_expected_changes_nothing():
    laws = Laws(prior())
    assert laws.exceeding("log_kick", 1e-3, -2.0, 0.3) is laws


def test_the_numbers_explain_what_was_seen():
    """Settings over two decades, known well: their level, slope and steps come out."""
    true = np.array([1.2, -0.15, 0.0, 9.0])
    laws = Laws(prior((1.0, 0.3, 1e-9, 20.0), drift=0.0, error=0.0))
    for x in np.linspace(-4, 1, 12):
        value = float((columns(x) - [0, 0, columns(x)[2], 0]) @ true + 0.02 * columns(x)[2])
        laws = laws.seeing("log_kick", CENTER * np.exp(x), value, 1e-4)
    mean, covariance = laws.numbers()
    np.testing.assert_allclose(mean[[0, 1, 3]], true[[0, 1, 3]], rtol=1e-2)
    assert np.sqrt(covariance[3, 3]) < 0.1


def test_a_network_unlike_all_others_is_taken_at_its_word():
    """Kicks 8 standard deviations from the prior: the prior is doubted, and the runs believed."""
    near, far = (
        Laws(prior()).seeing("log_kick", 1e-2, level, 0.05).seeing("log_kick", 3e-3, level, 0.05)
        for level in (1.1, 2.8)
    )
    assert near.doubted() == near
    doubted = far.doubted()
    assert doubted.doubt > 5
    assert doubted.of("log_kick", 3e-3)[0] == pytest.approx(2.8, abs=0.03)
    assert abs(far.of("log_kick", 3e-3)[0] - 2.8) > abs(doubted.of("log_kick", 3e-3)[0] - 2.8)
    assert doubted.of("log_kick", 1e-4)[1] > 2 * far.of("log_kick", 1e-4)[1]
    assert doubted.seeing("onset", 1e-3, -3.0, 0.1).doubt == doubted.doubt


def test_what_is_told_and_what_was_known_make_the_posterior():
    """Two Gaussians multiplied, written with precisions."""
    laws = Laws(prior(together=0.5), momentum=0.5)
    for quantity, x, value in (
        ("log_kick", -1.0, 1.3),
        ("onset", -1.0, -3.2),
        ("onset", 0.5, -2.8),
    ):
        laws = laws.seeing(quantity, CENTER * np.exp(x), value, 0.07)
    precision, weighted = laws.told()
    before = np.linalg.inv(np.array(laws.prior.covariance))
    mean, covariance = laws.numbers()
    np.testing.assert_allclose(np.linalg.inv(before + precision), covariance, atol=1e-10)
    both = before @ np.array(laws.prior.mean) + weighted
    np.testing.assert_allclose(covariance @ both, mean, atol=1e-9)


def test_a_network_that_is_doubted_is_not_known_by_what_others_have_in_common():
    """An onset that is high told of a slope; with doubt it tells no more, but of its own law."""
    known = replace(Laws(prior(together=0.9)), doubt=1.0)
    moved = {}
    for doubt in (1.0, 25.0):
        one = replace(known, doubt=doubt).seeing("onset", CENTER, -2.5, 0.01)
        moved[doubt] = one.of("log_kick", 1e-4)[0] - known.of("log_kick", 1e-4)[0]
        assert one.of("onset", CENTER)[0] == pytest.approx(-2.5, abs=0.01)
    assert moved[25.0] == pytest.approx(moved[1.0] / 25, rel=0.05)


def test_the_doubt_is_the_likeliest():
    """One value at one setting: the best variance is its distance from the mean squared."""
    still = prior((0.2, 0.0, 0.0, 0.0), drift=0.0, error=0.0)
    mean = Laws(still).of("log_kick", CENTER)[0]
    laws = Laws(still).seeing("log_kick", CENTER, mean + 1.5, 1e-6)

    def density(doubt):
        return norm.logpdf(1.5, 0, 0.2 * doubt**0.5) - STUDENT * np.log(doubt)

    found = laws.doubted().doubt
    grid = np.geomspace(1, 100, 2000)
    best = grid[np.argmax([density(one) for one in grid])]
    assert found == pytest.approx(best, rel=0.2)  # to the steps of the grid


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: replace(prior(), drift=(0.1,)), "prior must hold 2 numbers of each kind, got 1"),
        (lambda: prior(error=-1.0), "prior must hold numbers from 0 to 1e.09, got -1"),
        (lambda: prior(drift=np.nan), "got nan"),
        (
            lambda: Evidence(("log_kick",), (2.0,), (0.0,), (1.0,)),
            "intrinsic_lr must hold .* got 2",
        ),
        (lambda: Laws(prior(), momentum=1.0), "momentum must be from 0 to below 1, got 1"),
        (lambda: Laws(prior(), doubt=0.0), "doubt must hold numbers from 1 to 100, got 0"),
        (
            lambda: Laws(prior()).seeing("period", 0.1, 1.0, 1.0),
            "one of log_kick, onset, got 'period'",
        ),
    ],
)
def test_numbers_that_an_edited_file_may_hold_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
