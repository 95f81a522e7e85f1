"""A period is found where there is one, whole and not half of it, and nowhere else."""

import numpy as np
import pytest

from compare.diagnose import epoch
from compare.diagnose.log.columns import of_columns
from compare.diagnose.period import find_period, repetition

from .made_logs import epochs, noise

STEP = np.arange(4000)


def spiky(periods, seed=0):
    """A spike of a factor 5 at the start of each of these periods, under noise of 0.1."""
    starts = np.cumsum([0, *periods])
    since = STEP - starts[np.searchsorted(starts, STEP, side="right") - 1]
    return np.log1p(4 * np.exp(-since / 20)) + 0.1 * noise(len(STEP), seed)


def asked(log_loss):
    return epoch.look(of_columns({"step": STEP, "loss": np.exp(log_loss)}), None)


@pytest.mark.parametrize("period", [250, 500, 798])
def test_a_period_is_told_whole(period):
    """Half of it repeats itself too, with every second spike left out."""
    assert repetition(spiky([period] * 16), period // 2).explained > 0.1
    assert find_period(spiky([period] * 16)) == pytest.approx(period, abs=3)


@pytest.mark.parametrize("length", [37, 50, 120])
def test_an_epoch_that_nobody_told_is_found(length):
    log_loss = np.log(epochs(n=4000, epoch=length, swing=0.2)["loss"])
    assert find_period(log_loss) == length
    found = asked(log_loss)
    assert (found.answer, found.lacks) == ("possible", "steps_per_epoch")
    assert f"repeats itself every {length} steps or so" in found.evidence


def test_a_period_between_records_is_told():
    log_loss = 0.2 * (STEP % 47.25) / 47.25 + 0.1 * noise(4000)
    assert find_period(log_loss) == 189  # four of them
    assert "every 47.25 steps or so" in asked(log_loss).evidence


@pytest.mark.parametrize("scatter", [0.2, 0.3])
def test_a_sawtooth_whose_periods_scatter_has_no_exact_one(scatter):
    for seed in range(10):
        periods = np.maximum(200 * np.exp(scatter * noise(60, seed)), 30).astype(int)
        assert find_period(spiky(periods, seed)) is None


@pytest.mark.parametrize("correlated_over", [1, 10, 100])
def test_noise_has_no_period(correlated_over):
    for seed in range(10):
        kernel = np.exp(-np.arange(10 * correlated_over) / correlated_over)
        values = np.convolve(noise(4000 + len(kernel) - 1, seed), kernel, "valid")
        assert find_period(values) is None


@pytest.mark.parametrize("noisy", [0.0, 0.05])
@pytest.mark.parametrize(
    "trend",
    [
        -STEP / 1000,
        -np.log1p(STEP),
        np.exp(-STEP / 500),
        np.sin(STEP / 900),
        0.02 * np.maximum(0, STEP - 3000),
    ],
    ids=["line", "power", "exponential", "wave", "divergence"],
)
def test_a_trend_has_no_period(trend, noisy):
    assert find_period(trend + noisy * noise(4000)) is None


def test_a_long_log_does_not_exclude_a_period_that_was_not_looked_for():
    log = {"step": np.arange(50_000), "loss": np.exp(0.1 * noise(50_000))}
    found = epoch.look(of_columns(log), None)
    assert found.answer == "unknown" and "of up to 500 steps" in found.evidence
