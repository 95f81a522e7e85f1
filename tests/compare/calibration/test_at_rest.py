from dataclasses import replace

import pytest

from compare.calibration import at_rest
from compare.calibration.laws import priors
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles

BEFORE = Laws(priors.prior_for("mlp-64-64")).seeing("growth", 1e-2, -4.0, 0.05)
AT_REST = SettingCycles(1e-2, (), n_resting=2)


def test_rest_where_a_sawtooth_was_to_be_expected_is_that_of_a_network_that_never_jumps():
    assert at_rest.probability(BEFORE, [AT_REST]) > 0.99


def test_rest_where_rest_was_to_be_expected_says_nothing():
    fast = replace(AT_REST, intrinsic_lr=0.2)
    assert at_rest.probability(BEFORE, [fast]) == pytest.approx(at_rest.RESTING, rel=0.02)


def test_it_is_bayes_theorem():
    border = BEFORE.seeing("growth", 3e-2, at_rest.BORDER_OF_REGIMES, 1e-3)
    found = at_rest.probability(border, [replace(AT_REST, intrinsic_lr=3e-2)])
    assert found == pytest.approx(0.1 / (0.1 + 0.9 / 2), rel=0.02)


def test_a_run_that_is_on_its_way_or_has_jumped_is_of_no_such_network():
    assert at_rest.probability(BEFORE, []) == 0
    on_its_way = SettingCycles(5e-3, (), never=(-4.0,))
    assert at_rest.probability(BEFORE, [AT_REST, on_its_way]) == 0
    assert at_rest.probability(BEFORE, [on_its_way]) == 0
