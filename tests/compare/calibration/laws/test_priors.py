from dataclasses import replace

import numpy as np
import pytest

from compare.calibration.laws import priors
from compare.calibration.laws.evidence import QUANTITIES
from compare.calibration.laws.network_size import NetworkSize
from compare.calibration.laws.population import FLOOR, OF_UNLIKE, KnownNetwork, convolution
from compare.calibration.laws.regularised import NUMBERS, Evidence, Laws, shape
from empirical.training.recipe import Recipe
from theory.laws import decay_rate

SETTINGS = np.geomspace(1e-4, 2e-2, 8)


SIZE = NetworkSize(8000, 2, 1437, 10)
DENSE_SIZE = replace(SIZE, n_kernels=0)


def network(model, kick, *, momentum=0.0, error=0.01, size=SIZE):
    """A network whose kicks are known, and nothing else."""
    held = Evidence()
    for at in SETTINGS:
        row = np.array([*shape(float(at)), decay_rate(float(at)) / (1 - momentum)])
        held = held.and_("log_kick", float(at), float(np.log1p(momentum) + row @ kick), error)
    return KnownNetwork(model, "scale-invariant", momentum, size, held)


def numbers_of_kick(prior):
    return np.array(prior.mean)[:NUMBERS], np.array(prior.covariance)[:NUMBERS, :NUMBERS]


def test_the_population_that_made_the_networks_is_found():
    rng = np.random.default_rng(3)
    mean, spread = np.array([1.0, -0.1, 0.0, 7.0]), np.array([0.2, 0.15, 0.1, 3.0])
    spread_of = (
        np.diag(spread)
        @ np.array([[1, -0.8, 0, 0], [-0.8, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        @ np.diag(spread)
    )
    drawn = rng.multivariate_normal(mean, spread_of, 60)
    prior = priors.from_networks([network(f"n{i}", kick) for i, kick in enumerate(drawn)])
    found, covariance = numbers_of_kick(prior)
    assert (abs(found - mean) < 3 * spread / 60**0.5).all()
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), spread, rtol=0.35)
    together = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert together == pytest.approx(-0.8, abs=0.15)


def test_a_network_that_is_known_badly_counts_for_little():
    good = [network(f"n{i}", [1.0, -0.1, 0.0, 7.0]) for i in range(6)]
    bad = network("odd", [3.0, -0.1, 0.0, 7.0], error=20.0)
    alone, both = (numbers_of_kick(priors.from_networks(k))[0] for k in (good, [*good, bad]))
    np.testing.assert_allclose(both, alone, atol=0.05)


def test_levels_of_the_elr_are_open_together():
    prior = Laws(priors.prior_for("another", size=DENSE_SIZE))
    spreads = {name: prior.of(name, 1e-3)[1] for name in ("onset", "landing", "reach", "log_kick")}
    assert min(spreads["onset"], spreads["landing"], spreads["reach"]) > 2.9
    assert spreads["log_kick"] < 0.6
    seen = prior.seeing("onset", 1e-3, -9.0, 0.05)  # another architecture, another rate
    assert seen.of("landing", 1e-3)[0] == pytest.approx(-10, abs=1)


@pytest.mark.parametrize(
    ("model", "data", "size", "open_"),
    [
        ("mlp-33-33", "digits", SIZE, False),
        ("convnet-8", "digits", SIZE, True),
        ("mlp-33-33", "folder:x", SIZE, True),
        ("mlp-33-33", "digits", None, True),
        ("mlp-33-33", "digits", replace(SIZE, n_examples=250), True),  # as ConvNets had
    ],
)
def test_levels_of_the_elr_are_known_for_networks_like_the_known_ones(model, data, size, open_):
    prior = Laws(priors.prior_for(model, data, size=size))
    for name in ("onset", "landing", "reach"):
        assert (prior.of(name, 1e-3)[1] > 2.5) == open_
        assert (prior.of(name, 1e-3)[1] < 1.0) != open_


def test_a_late_first_jump_says_nothing_of_the_periods_where_all_else_is_unlike():
    moved = []
    for usual in (True, False):
        before = Laws(priors.prior_for("mlp-33-33", size=SIZE, usual=usual))
        expected, spread = before.of("reach", 1e-2)
        late = before.seeing("reach", 1e-2, expected + 2.0, 0.1)
        kicks = [one.of("log_kick", 1e-3) for one in (late, before)]
        moved.append(abs(kicks[0][0] - kicks[1][0]) / kicks[1][1])
        assert late.of("reach", 1e-2)[0] > expected + min(1.5, spread)
    assert moved[1] < 0.1 < moved[0]


def test_a_late_first_jump_may_be_that_of_a_network_that_still_learns():
    """Then it comes late by steps, of which slow decay has plenty: how late is not known."""
    spreads = []
    for usual in (True, False):
        before = Laws(priors.prior_for("mlp-33-33", size=SIZE, usual=usual))
        before = before.seeing("onset", 1e-2, before.of("onset", 1e-2)[0], 0.1)
        late = before.seeing("reach", 1e-2, before.of("reach", 1e-2)[0] + 2.0, 0.1)
        fast, slow = (late.of("reach", x)[0] - before.of("reach", x)[0] for x in (1e-2, 1e-4))
        assert slow < 0.3 * fast
        spreads.append(late.of("reach", 1e-4)[1])
    assert spreads[0] < 0.5 < 0.8 < spreads[1]


def test_what_is_forecast_has_no_part_in_its_prior(monkeypatch):
    known = priors.known_networks()
    own = [one for one in known if one.model == "mlp-64-64"]
    assert len(own) >= 2
    clean = priors.prior_for("mlp-64-64")
    other = priors.prior_for("mlp-32-32")
    nonsense = tuple(
        network(one.model, [9.0, 1.0, 0.0, 0.0], momentum=one.momentum, size=one.size)
        if one in own
        else one
        for one in known
    )
    monkeypatch.setattr(priors, "known_networks", lambda: nonsense)
    priors.prior_for.cache_clear()
    try:
        assert priors.prior_for("mlp-64-64") == clean
        assert priors.prior_for("mlp-32-32") != other  # a leak would show
    finally:
        priors.prior_for.cache_clear()


def test_priors_between_momenta_are_between():
    known = [network(f"p{i}", [1.0, -0.1, 0.0, 7.0]) for i in range(3)]
    known += [network(f"m{i}", [2.0, -0.1, 0.0, 7.0], momentum=0.9) for i in range(3)]
    momenta = np.array([0, 0.45, 0.9, 0.99])
    levels = [numbers_of_kick(priors.from_networks(known, momentum=m))[0][0] for m in momenta]
    share = np.log1p(-momenta) / np.log1p(-0.9)  # gradients carry 1/(1 - m) steps
    kicks = 1 + share * (1 + np.log1p(0.9))  # with what momentum adds in the laws
    np.testing.assert_allclose(levels + np.log1p(momenta), kicks, atol=0.12)


def test_momentum_changes_what_it_changes_where_other_weights_are_trained():
    """No network with all weights trained is known with momentum: its kicks grow as others do."""
    known = [network(f"p{i}", [1.0, -0.1, 0.0, 7.0]) for i in range(4)]
    known += [network(f"m{i}", [1.7, -0.1, 0.0, 7.0], momentum=0.9) for i in range(4)]
    known += [replace(network(f"a{i}", [0.4, -0.2, 0.0, 3.0]), trained="all") for i in range(4)]
    for momentum, share in ((0.0, 0.0), (0.9, 1.0), (0.99, 2.0)):
        found = priors.from_networks(known, momentum=momentum, trained="all")
        level, slope, *_ = numbers_of_kick(found)[0]
        further = share * (0.7 + np.log1p(0.9)) - np.log1p(momentum)
        assert level == pytest.approx(0.4 + further, abs=0.12)
        assert slope == pytest.approx(-0.2, abs=0.05)  # levels alone go beyond what is known
        growth = NUMBERS * QUANTITIES.index("growth")
        opened = momentum > 0  # and how far a sawtooth fades nobody has seen
        plain = priors.from_networks(known, trained="all").covariance[growth][growth]
        wider = found.covariance[growth][growth] - plain
        assert (wider > 0.36) == opened


def test_another_rate_moves_the_first_jump_alone():
    """By 1.25 ln 4 upwards, by (1/2 + 1/4) (1 - 1/4) downwards, and it is known the worse."""
    recipe = Recipe(model="mlp-33-33")
    usual, above, below = (
        Laws(priors.prior_of(recipe, learning_rate=rate, momentum=0.0, size=DENSE_SIZE))
        for rate in (0.5, 2.0, 0.125)
    )
    momentum, same = (
        priors.prior_of(recipe, learning_rate=rate, momentum=0.9, size=DENSE_SIZE)
        for rate in (0.05, 0.5 * (1 - 0.9))
    )
    assert momentum == same == priors.prior_for("mlp-33-33", momentum=0.9, size=DENSE_SIZE)
    middle, spread = usual.of("reach", 1e-3)
    for laws, raised in ((above, 1.25 * np.log(4)), (below, -0.75 * 0.75)):
        found, wider = laws.of("reach", 1e-3)
        assert found - middle == pytest.approx(raised, rel=1e-6)
        assert wider**2 - spread**2 == pytest.approx((0.2 * np.log(4)) ** 2, rel=1e-6)
        assert laws.of("onset", 1e-3) == usual.of("onset", 1e-3)
    assert priors.usual_rate("convnet-8", 0.0) == 0.4


def sized(factor, *, layers=2):
    """A network that has this many times the weights of ``SIZE``."""
    return NetworkSize(round(factor * SIZE.n_weights), layers, SIZE.n_examples, SIZE.n_classes)


def growing_with_size():
    """Levels that rise by 0.15 with each factor e of the weights and fall by 0.1 with depth."""
    rng = np.random.default_rng(5)
    for i, (factor, layers) in enumerate([(0.25, 2), (0.5, 3), (1, 2), (1, 4), (2, 3), (4, 2)] * 3):
        level = 0.5 + 0.15 * np.log(factor) - 0.1 * np.log(layers / 2) + 0.02 * rng.normal()
        kick = [level, -0.1, 0.0, 7.0]
        yield network(f"n{i}", kick, size=sized(factor, layers=layers))


@pytest.mark.parametrize(("factor", "layers"), [(0.3, 2), (1.5, 3), (3.5, 2)])
def test_what_goes_with_the_size_is_learnt(factor, layers):
    prior = priors.from_networks([*growing_with_size()], size=sized(factor, layers=layers))
    mean, covariance = numbers_of_kick(prior)
    expected = 0.5 + 0.15 * np.log(factor) - 0.1 * np.log(layers / 2)
    assert mean[0] == pytest.approx(expected, abs=0.04)
    assert covariance[0, 0] ** 0.5 < 0.1


def test_a_network_of_unknown_size_may_have_any():
    known = [*growing_with_size()]
    unknown, usual = (
        numbers_of_kick(priors.from_networks(known, size=size))[1][0, 0] ** 0.5
        for size in (None, SIZE)
    )
    spread = 0.15 * np.log([0.25, 0.5, 1, 1, 2, 4]) - 0.1 * np.log(np.array([2, 3, 2, 4, 3, 2]) / 2)
    few = (18 / (18 - 4 - 2)) ** 0.5  # Student's t: a mean and three changes from 18 networks
    assert unknown == pytest.approx(few * spread.std(), rel=0.1)
    assert usual < 0.5 * unknown


def test_beyond_all_known_sizes_the_mean_stands_still_and_less_is_known():
    known = [*growing_with_size()]
    at_border, beyond = (
        numbers_of_kick(priors.from_networks(known, size=sized(factor))) for factor in (4, 400)
    )
    np.testing.assert_allclose(beyond[0], at_border[0], rtol=1e-9)
    assert beyond[1][0, 0] > 2 * at_border[1][0, 0]


def test_the_same_architecture_by_another_name_has_no_part_either():
    known = next(one for one in priors.known_networks() if one.model == "mlp-64-64")
    named, other = (priors.prior_for(name, size=known.size) for name in ("mlp-64-64", "mlp"))
    assert named == other


def test_every_known_network_is_one():
    known = priors.known_networks()
    assert (
        len({(one.model, one.trained, one.momentum, one.size) for one in known}) == len(known) >= 12
    )
    for one in known:
        assert set(one.evidence.quantity) <= set(QUANTITIES)
        assert np.isfinite(one.evidence.value).all()
        assert min(one.evidence.error) > 0
        assert min(one.evidence.intrinsic_lr) > 1e-5


def test_without_any_network_the_floor_is_wide():
    nothing, some = priors.from_networks([]), priors.prior_for("mlp-33-33")
    assert Laws(nothing).of("log_kick", 1e-4)[1] > 1.2 * Laws(some).of("log_kick", 1e-2)[1]
    mean, covariance = numbers_of_kick(nothing)
    np.testing.assert_array_equal(mean, FLOOR["log_kick"][0])
    spreads = priors.OF_NO_NETWORK**0.5 * np.array(FLOOR["log_kick"][1])
    np.testing.assert_allclose(covariance, np.diag(spreads**2))


def test_other_data_leave_the_loss_open():
    own, other = (
        Laws(priors.prior_for("another", data, size=DENSE_SIZE)) for data in ("digits", "folder:x")
    )
    spreads = [one.of("loss_floor", 1e-3)[1] for one in (own, other)]
    assert spreads[1] ** 2 == pytest.approx(spreads[0] ** 2 + priors.OPEN**2)
    assert other.of("log_kick", 1e-3) == pytest.approx(own.of("log_kick", 1e-3))
    seen = [
        one.seeing("loss_floor", 1e-3, 0.5, 0.1).of("log_kick", 1e-3)[0] for one in (own, other)
    ]
    before = own.of("log_kick", 1e-3)[0]
    assert abs(seen[1] - before) < 0.4 * abs(seen[0] - before)


def test_what_is_not_trained_as_the_known_ones_may_go_by_the_size_of_any():
    known = [*growing_with_size()]
    alike, unlike, unknown = (
        numbers_of_kick(found)
        for found in (
            priors.from_networks(known, size=sized(2)),
            priors.from_networks(known, size=sized(2), alike=False),
            priors.from_networks(known, size=None),
        )
    )
    np.testing.assert_array_equal(unlike[0], alike[0])
    by_itself = (OF_UNLIKE - 1) * alike[1][0, 0]
    assert unlike[1][0, 0] == pytest.approx(unknown[1][0, 0] + by_itself, rel=0.1)
    assert unlike[1][0, 0] > 1.3 * by_itself > 3 * alike[1][0, 0]


@pytest.mark.parametrize(
    ("model", "data", "usual", "alike"),
    [
        ("mlp-33-33", "digits", True, True),
        ("mlp-33-33", "digits", False, False),
        ("mlp-33-33", "folder:x", True, False),
        ("users:net", "digits", True, False),
    ],
)
def test_periods_are_known_by_the_size_only_where_all_else_is_alike(model, data, usual, alike):
    found, sized_alike = (
        Laws(priors.prior_for(*one, size=DENSE_SIZE, usual=as_usual)).of("log_kick", 2e-4)
        for one, as_usual in (((model, data), usual), (("mlp-33-33", "digits"), True))
    )
    assert found[0] == pytest.approx(sized_alike[0])
    assert (found[1] < 1.5 * sized_alike[1]) == alike


def test_what_convolution_changes_is_learnt_and_may_be_so_where_a_name_does_not_say():
    dense = [network(f"mlp-{i}", [1.0 + 0.02 * (-1) ** i, -0.1, 0.0, 7.0]) for i in range(12)]
    convolved = [network(f"convnet-{i}", [2.0 + 0.02 * (-1) ** i, 0.1, 0.0, 7.0]) for i in range(4)]
    known = [*dense, *convolved]
    of_dense, either, of_convolved = (
        numbers_of_kick(priors.from_networks(known, size=SIZE, convolution=share))
        for share in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(of_dense[0][:2], [1.0, -0.1], atol=0.03)
    np.testing.assert_allclose(of_convolved[0][:2], [2.0, 0.1], atol=0.05)
    np.testing.assert_allclose(either[0][:2], [1.5, 0.0], atol=0.05)
    spreads = [one[1][0, 0] ** 0.5 for one in (of_dense, either, of_convolved)]
    assert max(spreads[0], spreads[2]) < 0.2
    assert spreads[1] == pytest.approx(np.hypot(0.5, spreads[0]), rel=0.1)
    alone = numbers_of_kick(priors.from_networks(dense, size=SIZE, convolution=1.0))
    np.testing.assert_array_equal(
        alone[0], numbers_of_kick(priors.from_networks(dense, size=SIZE))[0]
    )


def test_kernels_change_other_things_on_other_data_and_dense_weights_do_not():
    dense = [network(f"mlp-{i}", [1.0 + 0.02 * (-1) ** i, -0.1, 0.0, 7.0]) for i in range(12)]
    digits, photographs = (
        [
            replace(network(f"convnet-{i}", [level + 0.02 * (-1) ** i, 0.1, 0.0, 7.0]), data=data)
            for i in range(4)
        ]
        for level, data in ((2.0, "digits"), (1.5, "CIFAR-10"))
    )
    known = [*dense, *digits, *photographs]
    levels = {
        (share, data): numbers_of_kick(
            priors.from_networks(known, size=SIZE, convolution=share, data=data)
        )[0][0]
        for share in (0.0, 1.0)
        for data in ("digits", "folder:x")
    }
    assert levels[1.0, "digits"] == pytest.approx(2.0, abs=0.05)
    assert levels[1.0, "folder:x"] == pytest.approx(1.5, abs=0.05)
    assert levels[0.0, "digits"] == levels[0.0, "folder:x"] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("model", "share"),
    [
        ("mlp-32-32", 0),
        ("convnet-8", 1),
        ("resnet18-4", 1),
        ("users.module:net", 0.5),
        ("mlp_with_kernels:net", 0.5),
        ("convnets:mlp", 0.5),
    ],
)
def test_which_architectures_are_convolutional(model, share):
    assert convolution(model, None) == convolution(model, SIZE) == share
    for n_kernels in (0, 2):
        by_weights = float(n_kernels > 0) if ":" in model else share
        assert convolution(model, replace(SIZE, n_kernels=n_kernels)) == by_weights


def test_a_convolutional_network_is_as_convnets_are_or_as_dense_ones(monkeypatch):
    """Of dense networks ConvNets tell nothing."""
    dense = tuple(one for one in priors.known_networks() if one.model.startswith("mlp"))
    told = Evidence()
    for at in SETTINGS:
        told = told.and_("reach", float(at), 1.0, 0.05).and_("log_kick", float(at), 2.0, 0.01)
    convolved = KnownNetwork("convnet-99", "scale-invariant", 0.0, sized(3), told)
    found = []
    for known in (dense, (*dense, convolved)):
        monkeypatch.setattr(priors, "known_networks", lambda held=known: held)
        priors.prior_for.cache_clear()
        found.append([Laws(priors.prior_for(m, size=SIZE)) for m in ("mlp-33-33", "convnet-8")])
    priors.prior_for.cache_clear()
    (before, of_dense), (after, learnt) = found
    assert after == before
    for name, known_by_convnets in (("log_kick", 2.0), ("reach", 1.0)):
        (by_dense, _), (middle, spread) = (one.of(name, 1e-3) for one in (of_dense, learnt))
        apart = known_by_convnets - by_dense
        assert middle - by_dense == pytest.approx(0.8 * apart, rel=0.2)
        assert spread > 0.4 * apart
