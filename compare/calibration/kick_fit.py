"""The kick model of a network: the middle of what its laws say."""

from collections.abc import Sequence

import numpy as np

from compare.calibration.laws.evidence import SCATTER, kick_of
from compare.calibration.laws.regularised import CENTER, SCALED, Laws
from compare.calibration.observed_cycles import SettingCycles
from theory.arrays import FloatArray
from theory.cycle_models.kick_model import KickModel
from theory.cycle_models.log_line import LogLine
from theory.laws import decay_rate

# As in the battery of docs/results.md, for where too few cycles were seen to tell.
SENSITIVITY, KICK_SCATTER, FIRST_KICK = 1.3, 0.3, 0.8
ENOUGH_CYCLES = 12
POINTS = 12
SPAN = 2.0  # beyond the slowest setting to which the straight lines reach


def fit(
    laws: Laws,
    settings: Sequence[SettingCycles],
    initial_norm: float,
    start: float,
    loss_law: tuple[float, float],
) -> KickModel:
    """Put the model together.

    Args:
        laws: what is known of its quantities.
        settings: cycles of the settings that were seen.
        initial_norm: weight norm at initialisation.
        start: ``ln(elr)`` there.
        loss_law: ``loss_at_unit_gradient`` and ``loss_exponent``.
    """
    lines = {name: line(laws, name, settings) for name in laws.prior.names if name != SCALED}
    kick_line, recovery = climb(laws, settings)
    spread, variation = (
        float(np.exp(lines[name](CENTER))) for name in ("first_spread", "variation")
    )
    reach = lines["reach"](CENTER)
    sensitivity, kick_scatter = _sensitivity(settings)
    return KickModel(
        kick=kick_line,
        recovery=recovery,
        onset=lines["onset"],
        landing=lines["landing"],
        variation=_through_center(variation, variation * lines["variation"].slope),
        growth=lines["growth"],
        growth_scatter=_growth_scatter(settings),
        growth_error=laws.of("growth", CENTER)[1],
        sensitivity=sensitivity,
        kick_scatter=kick_scatter,
        initial_norm=initial_norm,
        first_reach=lines["reach"],
        first_variation=spread / max(reach - start, spread),
        first_kick=_first_kick(settings),
        loss_at_unit_gradient=loss_law[0],
        loss_exponent=loss_law[1],
    )


def line(laws: Laws, quantity: str, settings: Sequence[SettingCycles]) -> LogLine:
    """The straight line nearest to a law over what was seen."""
    grid = _grid(settings)
    return _nearest(grid, np.array([laws.of(quantity, float(one))[0] for one in grid]))


def climb(laws: Laws, settings: Sequence[SettingCycles]) -> tuple[LogLine, float]:
    """Kicks over what was seen, as a straight line and steps of recovery that r multiplies."""
    grid = _grid(settings)
    rates = np.array([decay_rate(float(one)) for one in grid])
    kicks = np.array([kick_of(laws, float(one)) for one in grid])
    columns = np.stack([np.ones(len(grid)), np.log(grid / CENTER), rates], axis=1)
    recovery = max(float(np.linalg.lstsq(columns, kicks, rcond=None)[0][2]), 0.0)
    return _nearest(grid, kicks - recovery * rates), recovery


def _grid(settings: Sequence[SettingCycles]) -> FloatArray:
    """Settings over what was seen, and a little below."""
    seen = [cycles.intrinsic_lr for cycles in settings] or [CENTER]
    return np.geomspace(min(seen) / SPAN, max(seen), POINTS)


def _nearest(grid: FloatArray, values: FloatArray) -> LogLine:
    """The straight line nearest to values on a grid."""
    per_log, level = np.polyfit(np.log(grid / CENTER), values, 1)
    return _through_center(float(level), float(per_log))


def _through_center(level: float, per_log: float) -> LogLine:
    return LogLine(at_one=float(level - per_log * np.log(CENTER)), slope=float(per_log))


def centred(cycles: SettingCycles, name: str) -> FloatArray:
    """A quantity of all cycles about its mean."""
    values = cycles.all(name)
    return np.asarray(values - values.mean())


def slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of y over x, both about their means."""
    return float(x @ y / (x @ x))


def _sensitivity(settings: Sequence[SettingCycles]) -> tuple[float, float]:
    """Slope of kicks over onsets, and the standard deviation of kicks about it."""
    jumping = [cycles for cycles in settings if cycles.n_cycles > 1]
    if sum(cycles.n_cycles for cycles in jumping) < ENOUGH_CYCLES:
        return SENSITIVITY, KICK_SCATTER
    onsets, kicks = (
        np.concatenate([centred(cycles, name) for cycles in jumping])
        for name in ("onsets", "kicks")
    )
    found = slope(onsets, kicks)
    return found, float((kicks - found * onsets).std())


def _growth_scatter(settings: Sequence[SettingCycles]) -> float:
    """Standard deviation over runs of ``ln y``, times the root of their mean number of cycles."""
    scatters = [
        cycles.all("growth").std(ddof=1) * np.sqrt(cycles.n_cycles / len(cycles.runs))
        for cycles in settings
        if len(cycles.runs) > 2
    ]
    return float(np.mean(scatters)) if scatters else SCATTER["growth"]


def _first_kick(settings: Sequence[SettingCycles]) -> float:
    kicks = [cycles.all("first_kick").mean() for cycles in settings if cycles.runs]
    return float(np.mean(kicks)) if kicks else FIRST_KICK
