from dataclasses import replace

import numpy as np
import pytest

from compare.calibration import at_rest
from compare.calibration.laws import priors
from compare.calibration.laws.regularised import Laws
from compare.calibration.observed_cycles import SettingCycles

BEFORE = Laws(priors.prior_for("mlp-64-64")).seeing("growth", 1e-2, -4.0, 0.05)
AT_REST = SettingCycles(1e-2, (), at_rest=(-3.0, -3.2))


def test_rest_where_a_sawtooth_was_to_be_expected_is_that_of_a_network_that_never_jumps():
    assert at_rest.rest_of(BEFORE, [AT_REST]).probability > 0.99


def test_rest_where_rest_was_to_be_expected_says_nothing():
    fast = replace(AT_REST, intrinsic_lr=0.2)
    assert at_rest.rest_of(BEFORE, [fast]).probability == pytest.approx(at_rest.RESTING, rel=0.02)


def test_it_is_bayes_theorem():
    border = BEFORE.seeing("growth", 3e-2, at_rest.BORDER_OF_REGIMES, 1e-3)
    found = at_rest.rest_of(border, [replace(AT_REST, intrinsic_lr=3e-2)]).probability
    assert found == pytest.approx(0.1 / (0.1 + 0.9 / 2), rel=0.02)


def test_a_run_that_is_on_its_way_or_has_jumped_is_of_no_such_network():
    assert at_rest.rest_of(BEFORE, []).probability == 0
    on_its_way = SettingCycles(5e-3, (), never=(-4.0,))
    assert at_rest.rest_of(BEFORE, [AT_REST, on_its_way]).probability == 0
    assert at_rest.rest_of(BEFORE, [on_its_way]).probability == 0


def test_gradients_of_one_size_hold_the_norm_at_a_rate_that_goes_with_the_root_of_decay():
    rest = at_rest.rest_of(BEFORE, [AT_REST, replace(AT_REST, intrinsic_lr=2e-2, at_rest=(0.0,))])
    assert rest.at(1e-2) == (pytest.approx(-3.1), 0.1)
    assert rest.at(1e-4)[0] == pytest.approx(-3.1 - np.log(10))
    assert rest.at(1e-4)[1] == pytest.approx(0.2 * np.log(100), rel=0.01)
