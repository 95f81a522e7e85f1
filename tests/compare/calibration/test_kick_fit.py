"""The kick model says what the laws say, in its own numbers."""

import numpy as np
import pytest

from compare.calibration import kick_fit
from compare.calibration.laws.evidence import QUANTITIES, kick_of
from compare.calibration.laws.regularised import CENTER, Laws, Prior, shape
from compare.calibration.observed_cycles import SettingCycles
from theory.cycle_models import kick_model
from theory.laws import decay_rate

from .made_cycles import run_cycles

START = -4.4
NUMBERS = {  # level, slope, straight and steps; slope = straight is a line
    "log_kick": (-0.1, -0.08, -0.08, 8.0),
    "youth": (0.1, -0.05, -0.05, 0.0),
    "onset": (-2.9, 0.06, 0.06, 0.0),
    "landing": (-3.6, 0.2, 0.2, 0.0),
    "onset_spread": (-1.7, -0.3, -0.3, 0.0),
    "variation": (np.log(0.3), -0.05, -0.05, 0.0),
    "reach": (-2.9, 0.03, 0.03, 4.0),
    "first_spread": (np.log(0.4), 0.06, 0.06, 0.0),
    "growth": (-3.0, 1.3, 1.3, 0.0),
    "loss_floor": (-4.0, 1.0, 1.0, 0.0),
}


def laws(momentum=0.0, **changes):
    """Laws of which all is known but the growth of the norm, to 0.2."""
    mean = np.concatenate([{**NUMBERS, **changes}[name] for name in QUANTITIES])
    covariance = np.zeros((len(mean), len(mean)))
    own = 4 * QUANTITIES.index("growth")
    covariance[own, own] = 0.2**2
    none = (0.0,) * len(QUANTITIES)
    rows = tuple(map(tuple, covariance.tolist()))
    return Laws(Prior(QUANTITIES, tuple(mean.tolist()), rows, none, none), momentum=momentum)


def settings(*values, **changes):
    return [SettingCycles(at, (run_cycles([300, 500], **changes),) * 2) for at in values]


def model(known, seen):
    return kick_fit.fit(known, seen, 6.5, START, (0.02, 1.1))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_laws_that_are_lines_are_kept(momentum):
    known = laws(momentum)
    found = model(known, settings(1e-3, 8e-3))
    for at in (1e-3, 4e-3, 8e-3):
        kick = kick_model.mean_cycle(found, at).kick
        assert kick == pytest.approx(kick_of(known, at), rel=0.04)  # a line, not its exp
        for name in ("onset", "landing", "growth"):
            assert getattr(found, name)(at) == pytest.approx(known.of(name, at)[0])
    # steps add a share of a kick to it for each unit of r; with momentum one that curves upward
    slow = 8 / (1 - momentum) * kick_of(known, 2e-3)
    assert found.recovery == pytest.approx(slow, rel=0.1) if not momentum else found.recovery > slow
    assert found.variation(CENTER) == pytest.approx(0.3)
    assert found.variation.slope == pytest.approx(-0.05 * 0.3)
    assert found.growth_error == pytest.approx(0.2)
    assert (found.initial_norm, found.loss_at_unit_gradient, found.loss_exponent) == (
        6.5,
        0.02,
        1.1,
    )


def test_the_first_jump_is_that_of_the_laws_where_runs_were_seen():
    known = laws()
    found = model(known, settings(1e-3, 8e-3))
    for at in (1e-3, 4e-3):
        rise = kick_model.first_rise(found, 6.5**2 * np.exp(START), at)
        assert rise == pytest.approx(known.of("reach", at)[0] - START, rel=0.05)
    reach = found.first_reach(CENTER)
    assert found.first_variation == pytest.approx(0.4 / (reach - START))


def test_a_first_jump_at_the_start_varies_by_all_of_itself():
    found = model(laws(reach=(START, 0.0, 0.0, 0.0)), settings(1e-3, 8e-3))
    assert found.first_variation == pytest.approx(1.0)


def test_a_bent_law_becomes_the_nearest_line_over_what_was_seen():
    """From half of the slowest setting to the fastest one."""
    known = laws(onset=(-2.9, 0.5, 0.0, 0.0))
    found = kick_fit.line(known, "onset", settings(2e-4, 2e-2))
    grid = np.geomspace(1e-4, 2e-2, 1000)
    bent = -2.9 + 0.5 * np.array([shape(float(at))[1] for at in grid])
    line = np.polyfit(np.log(grid), bent, 1)
    assert found.slope == pytest.approx(line[0], rel=0.02)
    assert np.abs([found(float(at)) - known.of("onset", float(at))[0] for at in grid]).max() < 0.25


def test_many_cycles_tell_how_kicks_follow_onsets():
    onsets = np.tile([-0.3, 0.1, 0.2, -0.1, 0.1], 3)
    noise = np.tile([0.1, -0.1, 0.05, -0.1, 0.05], 3)
    runs = [
        run_cycles(np.full(15, 400), onsets=middle + onsets, kicks=1.2 + 0.7 * onsets + noise)
        for middle in (-2.8, -2.5)
    ]
    seen = [SettingCycles(at, (run,)) for at, run in zip((1e-3, 4e-3), runs, strict=True)]
    found = model(laws(), seen)
    expected = 0.7 + noise @ (onsets - onsets.mean()) / (onsets**2).sum()
    assert found.sensitivity == pytest.approx(expected)
    rest = noise - noise.mean() - (expected - 0.7) * onsets
    assert found.kick_scatter == pytest.approx(rest.std())


def test_what_few_runs_cannot_tell_is_that_of_the_battery():
    few = model(laws(), settings(1e-3))
    assert few.sensitivity == kick_fit.SENSITIVITY
    assert few.kick_scatter == kick_fit.KICK_SCATTER
    assert few.growth_scatter == kick_fit.SCATTER["growth"]
    assert few.first_kick == 0.5
    none = model(laws(), [SettingCycles(1e-3, (), (-3.5,))])
    assert none.first_kick == kick_fit.FIRST_KICK


def test_growth_scatters_over_runs_the_less_the_longer_they_are():
    growths = (-5.0, -4.0, -4.5)
    runs = tuple(run_cycles([300] * 4, growth=one) for one in growths)
    found = model(laws(), [SettingCycles(1e-3, runs)])
    assert found.growth_scatter == pytest.approx(np.std(growths, ddof=1) * 2)


def test_the_drawn_period_is_that_of_the_laws():
    known = laws()
    found = kick_model.predict(model(known, settings(1e-3, 8e-3)), 0.5, 4e-3)
    assert found.period == pytest.approx(kick_of(known, 2e-3) / decay_rate(2e-3), rel=0.02)
