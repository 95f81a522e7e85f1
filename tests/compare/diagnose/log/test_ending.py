"""A loss that never comes back is told from one that does, and where it left."""

import re

import numpy as np
import pytest

from compare.diagnose.log.columns import of_columns
from compare.diagnose.log.ending import find_divergence

from .. import made_logs


def ending(loss):
    return find_divergence(of_columns({"step": 10 * np.arange(len(loss)), "loss": loss}))


def exploding(start, end, *, first=2.3):
    """A loss that falls from its first value to 0.02, and is 1e4 for a while."""
    step = np.arange(3000)
    loss = first * np.exp(-step / 200) + 0.02
    loss[start:end] = 1e4
    return loss * np.exp(0.1 * made_logs.noise(3000))


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_a_rise_to_the_end_is_told_with_its_step(rate):
    found = ending(made_logs.diverging(rate=rate)["loss"])
    assert found.step == pytest.approx(20_000, abs=200)
    assert found.before.n_records == found.step / 10
    assert re.search(r"rises from 0\.(1|09[0-9]) to", found.said)


@pytest.mark.parametrize(("start", "end", "at"), [(2000, 3000, 20_000), (2000, 2900, None)])
@pytest.mark.parametrize("first", [2.3, 0.02])  # from the start of a training, and a resumed log
def test_what_explodes_has_diverged_if_it_never_comes_back(start, end, at, first):
    found = ending(exploding(start, end, first=first))
    assert (found and found.step) == (at and pytest.approx(at, abs=200))


def test_a_stay_no_longer_than_one_from_which_the_loss_came_back_is_a_spike():
    loss = exploding(2000, 3000)
    loss[1000:1400] = 1e4
    assert ending(loss) is None


def test_a_resumed_log_that_ends_in_a_jump_has_not_diverged():
    """From 1e-3 to the loss of an untrained network, for a while or for as long as it lasts."""
    for loss_after in (3 * np.exp(-np.arange(1000) / 400), np.full(1000, 2.3)):
        loss = np.concatenate([np.full(2000, 1e-3), loss_after])
        for end in (2015, 2100, 2600, 3000):
            assert ending(loss[:end] * np.exp(0.1 * made_logs.noise(3000)[:end])) is None


def test_a_loss_that_begins_at_its_lowest_or_is_negative_has_not_diverged():
    step = np.arange(3000)
    assert ending(1.0 - np.exp(-step / 50) + 1e-3) is None  # that of a value, as rewards come
    assert ending(-1000 * np.exp(-step / 300)) is None  # a logarithm of a likelihood, to be raised
    first_low = np.where(step == 0, 1e-3, 1.0) * np.exp(0.1 * made_logs.noise(3000))
    assert ending(first_low) is None


@pytest.mark.parametrize("end", [np.nan, np.inf])
def test_a_loss_that_ends_as_no_number_is_lost_from_there(end):
    loss = np.where(np.arange(3000) < 2500, made_logs.quiet()["loss"], end)
    found = ending(loss)
    assert found.step == 25_000 and found.before.n_records == 2500
    assert found.said == "from step 25000 to the end the loss is no finite number"


def test_what_comes_back_has_not_diverged():
    step = np.arange(3000)
    assert ending(made_logs.sawtooth()["loss"]) is None
    assert ending(np.where(step % 7 == 0, np.nan, made_logs.quiet()["loss"])) is None
    assert ending(np.where(step % 10 == 0, made_logs.quiet()["loss"], np.nan)) is None
    infinite = np.where(step == 1000, np.inf, made_logs.quiet()["loss"])
    assert ending(infinite) is None
    late = made_logs.quiet()["loss"]
    late[-5:] = 1e5  # as few as a burst of bad batches
    assert ending(late) is None
