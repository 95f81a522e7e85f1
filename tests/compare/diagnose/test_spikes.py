"""Spikes are where they were planted, as many as were planted, and none in noise."""

import numpy as np
import pytest

from compare.diagnose.spikes import find_spikes

from .made_logs import noise

AT = np.array([400, 900, 1700, 2300])


@pytest.mark.parametrize("deviation", [0.01, 0.3, 1.0])
def test_noise_has_none(deviation):
    assert len(find_spikes(deviation * noise(20_000))) == 0


@pytest.mark.parametrize("trend", [0.0, -5.0])
def test_spikes_are_where_they_were_planted(trend):
    log_loss = trend * np.arange(3000) / 3000 + 0.1 * noise(3000)
    for at in AT:
        log_loss[at - 9 : at + 31] += np.concatenate([np.linspace(0, 4, 10), np.linspace(4, 0, 30)])
    found = find_spikes(log_loss)
    np.testing.assert_allclose(found.peaks, AT, atol=2)
    np.testing.assert_allclose(found.onsets, AT - 9, atol=2)
    assert not found.single.any() and not found.abrupt.any()
    assert found.noise == pytest.approx(0.1, rel=0.1)


def test_a_single_record_is_single_and_abrupt():
    log_loss = 0.1 * noise(3000)
    log_loss[AT] += 3
    found = find_spikes(log_loss)
    assert found.peaks.tolist() == AT.tolist()
    assert found.single.all() and found.abrupt.all()


def test_wiggles_of_one_burst_are_one_spike():
    log_loss = 0.01 * noise(3000)
    for at in AT:
        log_loss[at : at + 40] += 5 * np.exp(-np.arange(40) / 40) * (np.arange(40) % 8 < 4)
    assert len(find_spikes(log_loss)) == len(AT)
