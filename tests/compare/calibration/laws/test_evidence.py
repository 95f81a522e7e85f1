from dataclasses import replace

import numpy as np
import pytest

from compare.calibration.laws import evidence, priors
from compare.calibration.laws.evidence import CORRELATED, FADES, RUN_SCATTER
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles
from theory.cycle_models.kick_model import growing_share
from theory.laws import decay_rate

from ..made_cycles import run_cycles as cycles

AT = 2e-3


def seen(*runs, never=()):
    return SettingCycles(AT, tuple(runs), tuple(never))


def learnt(settings):
    return evidence.learn(Laws(priors.from_networks([])), settings)


def rows(laws):
    held = laws.evidence
    return {
        name: (value, error)
        for name, value, error in zip(held.quantity, held.value, held.error, strict=True)
    }


def test_means_are_those_of_the_cycles_with_the_errors_of_their_scatter():
    lengths = [200, 300, 250, 350, 220, 280]
    laws = learnt([seen(cycles(lengths), cycles(lengths))])
    found, rate = rows(laws), decay_rate(AT)
    youth, doubt = laws.of("youth", AT)
    age = np.exp(-np.arange(6) / FADES).mean()
    kick = rate * np.mean(lengths) / (1 + youth * age)
    assert found["log_kick"][0] == pytest.approx(np.log(kick), abs=0.003)
    variation = np.exp(laws.of("variation", AT)[0])
    own = variation * (CORRELATED / 12) ** 0.5
    expected = np.sqrt(own**2 + RUN_SCATTER["log_kick"] ** 2 / 2 + (age * doubt) ** 2)
    assert found["log_kick"][1] == pytest.approx(
        expected, rel=0.2
    )  # scatter by what was known before
    assert found["landing"][0] == pytest.approx(-3.8)
    assert found["onset"][0] == pytest.approx(-2.8)
    assert found["reach"][0] == pytest.approx(-2.5)
    assert found["loss_floor"][0] == -6.0
    twice = np.tile(lengths, 2)
    assert found["variation"][0] == pytest.approx(
        np.log(twice.std(ddof=1) / twice.mean()) + 0.5 / 11, rel=1e-9
    )
    assert found["variation"][1] == pytest.approx(22**-0.5)


def test_more_runs_are_known_better():
    one, four = (rows(learnt([seen(*[cycles([200, 300, 250])] * n)])) for n in (1, 4))
    for name in ("landing", "reach", "loss_floor"):  # of the others the scatter is known better too
        assert four[name][1] == pytest.approx(one[name][1] / 2, rel=0.05)


@pytest.mark.parametrize("n_runs", [1, 4])
def test_a_long_run_is_one_run_however_long(n_runs):
    """Runs of a setting differ by more than their cycles tell."""
    found = rows(learnt([seen(*[cycles(np.tile([200, 300, 250, 250], 500))] * n_runs)]))
    for name, scatter in RUN_SCATTER.items():
        assert found[name][1] == pytest.approx(scatter / n_runs**0.5, rel=0.05)


def test_first_periods_that_are_longer_are_told_from_later_ones():
    """Half as long again at first: the youth is found, and the kick is that of later periods."""
    lengths = 300 * (1 + 0.5 * np.exp(-np.arange(8) / FADES)) + np.tile([-9.0, 9.0], 4)
    laws = learnt([seen(*[cycles(lengths)] * 40)])
    assert laws.of("youth", AT)[0] == pytest.approx(0.5, abs=0.1)  # a prior about 0
    assert np.exp(laws.of("log_kick", AT)[0]) == pytest.approx(300 * decay_rate(AT), rel=0.03)
    even = learnt([seen(*[cycles([290, 310] * 4)] * 40)])
    assert even.of("youth", AT)[0] == pytest.approx(0.0, abs=0.05)


def test_runs_that_are_all_as_old_do_not_tell_of_their_youth():
    laws = learnt([seen(*[cycles([300])] * 5)])
    assert "youth" not in rows(laws) and "log_kick" in rows(laws)


def test_a_period_that_goes_on_and_on_raises_the_mean():
    short = learnt([seen(cycles([200, 300, 250], unfinished=5.0))])
    long = learnt([seen(cycles([200, 300, 250], unfinished=900.0))])
    assert short.of("log_kick", AT)[0] == pytest.approx(
        evidence.learn(
            Laws(priors.from_networks([])), [seen(cycles([200, 300, 250], unfinished=0.0))]
        ).of("log_kick", AT)[0],
        rel=1e-3,
    )
    assert long.of("log_kick", AT)[0] > short.of("log_kick", AT)[0] + 0.05


def test_runs_that_never_jump_put_the_first_jump_later():
    some = learnt([seen(cycles([200, 300]))])
    with_bound = learnt([seen(cycles([200, 300]), never=(-1.0, -1.0))])
    assert with_bound.of("reach", AT)[0] > some.of("reach", AT)[0] + 0.1


def test_runs_without_a_jump_alone_say_only_that():
    before = Laws(priors.from_networks([]))
    found = evidence.learn(before, [SettingCycles(AT, (), (0.5, 0.5))])
    assert set(found.evidence.quantity) == {"reach"}
    assert found.of("reach", AT)[0] > before.of("reach", AT)[0] + 0.5
    assert found.of("log_kick", AT)[0] == before.of("log_kick", AT)[0]


def test_noise_tells_less_of_the_sawtooth():
    """Its periods are no periods, however many there are."""
    noise, sawtooth = (
        rows(learnt([seen(*[cycles([20, 30] * 50, growing_after=share)] * 8)]))
        for share in (evidence.NOISE + 0.01, evidence.NOISE - 0.01)
    )
    for name in ("log_kick", "onset", "landing", "variation", "onset_spread", "loss_floor"):
        own = sawtooth[name][1]
        assert noise[name][1] == pytest.approx(np.hypot(own, 2 * evidence.BEYOND), rel=0.02)
    assert noise["growth"] == sawtooth["growth"] and noise["reach"] == sawtooth["reach"]
    assert set(sawtooth) - set(noise) == {"youth"}


def test_beyond_the_border_of_the_sawtooth_little_is_learnt_of_it():
    """The border lies just inside that of the regimes, where growth takes a quarter of the time."""
    assert growing_share(np.exp(evidence.BORDER + 0.3)) == pytest.approx(0.25)
    beyond, before = (
        rows(learnt([seen(*[cycles([200, 300] * 50, growth=growth)] * 8)]))
        for growth in (evidence.BORDER + 0.2, evidence.BORDER - 0.2)
    )
    for name in ("log_kick", "onset", "landing", "variation", "onset_spread", "loss_floor"):
        assert beyond[name][0] == pytest.approx(before[name][0], abs=0.02)
        assert beyond[name][1] == pytest.approx(
            np.hypot(before[name][1], evidence.BEYOND), rel=0.02
        )
    assert beyond["reach"] == before["reach"]
    assert set(before) - set(beyond) == {"youth"}


def test_what_came_to_rest_tells_of_the_regime_alone():
    one = replace(seen(cycles([20, 30, 25], regime="equilibrium")), at_rest=(-3.0,))
    assert set(learnt([one]).evidence.quantity) == {"growth"}
