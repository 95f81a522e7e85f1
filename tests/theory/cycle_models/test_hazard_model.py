import numpy as np
import pytest

from theory.cycle_models import hazard_model, kick_model
from theory.cycle_models.hazard_model import GompertzProcess, Hazard
from theory.cycle_models.log_line import LogLine

from ...kick_model import LR
from ...kick_model import TRUE_MODEL as MODEL


def process(sharpness, spread):
    """Onsets with mean near the model's, kicks that pull back to it, no other scatter."""
    return GompertzProcess(
        hazard=Hazard(0.0, sharpness),
        center=MODEL.onset,
        log_spread=LogLine(np.log(spread), 0.0),
        sensitivity=LogLine(1.0, 0.0),
        log_kick_spread=LogLine(0.0, 0.0),
        residuals=(0.0, 0.0),
    )


def test_onsets_have_the_distribution_of_the_hazard():
    """P(z > 1) from z0 = -1 is exp(-int h), with h integrated numerically."""
    hazard = Hazard(-0.4, 1.7)
    z = np.linspace(-1, 1, 200_001)
    survival = np.exp(-np.trapezoid(np.exp(-0.4 + 1.7 * z), z))
    amounts = np.random.default_rng(0).exponential(size=400_000)
    drawn = hazard.onset(np.full(len(amounts), -1.0), amounts)
    assert drawn.min() >= -1
    assert (drawn > 1).mean() == pytest.approx(survival, abs=0.003)


def test_fit_recovers_the_hazard_that_made_the_jumps():
    rng = np.random.default_rng(1)
    starts = rng.normal(-4, 1, 20_000)
    onsets = Hazard(-0.5, 0.8).onset(starts, rng.exponential(size=len(starts)))
    found = hazard_model.fit_hazard(starts, onsets)
    assert found.log_at_mean == pytest.approx(-0.5, abs=0.03)
    assert found.sharpness == pytest.approx(0.8, rel=0.03)


def test_a_sharp_hazard_is_the_relaxation_oscillator():
    """Onsets at u* = m always: each climb regains one kick, with no scatter."""
    predicted = hazard_model.predict(process(sharpness=500.0, spread=0.3), MODEL, LR, 2e-3 / LR)
    cycle = kick_model.mean_cycle(MODEL, 2e-3)
    assert predicted.period == pytest.approx(cycle.period, rel=0.01)
    assert predicted.period_high / predicted.period_low == pytest.approx(1, abs=0.02)
    assert np.log(predicted.effective_lr_before_jump) == pytest.approx(cycle.onset, abs=0.01)
    climb = cycle.onset - np.log(LR / 6.5**2) + MODEL.first_kick
    assert predicted.first_jump == pytest.approx(climb / cycle.rate, rel=0.01)


def test_a_dull_hazard_scatters():
    dull = hazard_model.predict(process(sharpness=1.0, spread=0.3), MODEL, LR, 2e-3 / LR)
    assert dull.period_high / dull.period_low > 1.5
    # z - z0 = climb / spread; at stationarity climb and kick have equal means
    offset = (np.log(dull.effective_lr_before_jump) - MODEL.onset(2e-3)) * 1.0
    cycle = kick_model.mean_cycle(MODEL, 2e-3)
    assert dull.period * cycle.rate == pytest.approx(cycle.kick + offset, rel=0.02)


def test_settings_without_cycle_are_refused():
    with pytest.raises(ValueError, match="weight_decay must be a positive"):
        hazard_model.predict(process(1.0, 0.3), MODEL, LR, 0.0)
