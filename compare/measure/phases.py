"""Phases A, B and C of every period: one extractor for theory and networks.

    A   loss and g fall and decay wins: elr rises as exp(2 eta lam t)
    B   elr is high enough that g stops falling and rises
    C   destabilisation: the norm grows, elr drops

A cycle is a rise of elr and the drop after it, as ``theory.trajectory.jumps`` finds them: phase C
lasts from the onset of a jump to its landing. The border of A and B within a rise is where
``ln(g)`` turns from falling to rising, the bottom of the valley that fits it best
(``compare.measure.gradient_valley``). Where no rise of g can be told from noise, all of the rise is
A.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from compare.measure import gradient_valley
from theory.arrays import FloatArray
from theory.trajectory import RecordedRun, Runs
from theory.trajectory.jumps import Jumps

PHASES = ("A", "B", "C")
SMALLEST_G = 1e-300
BORDERS = ("cycle_landing", "cycle_turn", "cycle_onset")


@dataclass(frozen=True)
class Cycles:
    """Borders of the phases of one run, in records; NaN where the run ends before one.

    Attributes:
        landing: where each rise of elr begins, (n_cycles,); the first is the start of the first
            rise, which follows no jump.
        turn: first record of phase B, the onset where there is none, (n_cycles,).
        onset: where each rise ends, (n_cycles,).
        end: last record of the run.
    """

    landing: FloatArray
    turn: FloatArray
    onset: FloatArray
    end: int


def find(jumps: Jumps, effective_grad_norm: FloatArray) -> Cycles:
    """Find the phases of one run.

    Args:
        jumps: where its effective learning rate drops.
        effective_grad_norm: g of each record, (n_records,).

    Returns:
        The cycles; none for a run without a jump.
    """
    if not len(jumps.onsets):
        return _none(jumps.end)
    landing = np.array([jumps.start, *jumps.landings], dtype=float)
    onset = np.full(len(landing), np.nan)
    onset[: len(jumps.onsets)] = jumps.onsets
    log_g = np.log(np.maximum(effective_grad_norm, SMALLEST_G))
    stops = np.where(np.isfinite(onset), onset, jumps.end + 1)
    spans = [slice(int(low), int(high)) for low, high in zip(landing, stops, strict=True)]
    turn = np.array([span.start + gradient_valley.turn(log_g[span]) for span in spans], dtype=float)
    turn[np.isnan(onset) & (turn > jumps.end)] = np.nan
    return Cycles(landing, turn, onset, jumps.end)


def _none(end: int) -> Cycles:
    return Cycles(np.empty(0), np.empty(0), np.empty(0), end)


def of_each_step(cycles: Cycles) -> npt.NDArray[np.str_]:
    """The phase of every record: A, B or C, or "" before the first rise and without jumps."""
    phase = np.full(cycles.end + 1, "", dtype="U1")
    borders = np.column_stack([cycles.landing, cycles.turn, cycles.onset]).ravel()
    for name, border in zip(PHASES * len(cycles.landing), borders, strict=True):
        if np.isfinite(border):
            phase[int(border) :] = name
    return phase


def shares(cycles: Cycles) -> FloatArray:
    """Share of the time in A, B and C from the first rise to the last landing, (3,)."""
    if len(cycles.landing) < 2:
        return np.full(3, np.nan)
    first, last = int(cycles.landing[0]), int(cycles.landing[-1])
    within = of_each_step(cycles)[first:last]
    return np.array([(within == name).mean() for name in PHASES])


def of_run(run: RecordedRun) -> Cycles:
    """The phases of one run; none where it did not stay finite."""
    finite = bool(len(run.log_elr)) and bool(np.isfinite(run.log_elr).all())
    return find(run.jumps, run.effective_grad_norm) if finite else _none(-1)


def measure(runs: Runs) -> xr.Dataset:
    """Find the phases of every run.

    Returns:
        ``cycle_landing``, ``cycle_turn`` and ``cycle_onset`` on (``run``, ``cycle``), optimizer
        steps, NaN beyond the cycles of a run, and ``phase_a_share``, ``phase_b_share`` and
        ``phase_c_share`` along ``run``, NaN without a complete cycle.
    """
    found = [of_run(run) for run in runs.values()]
    most = max(1, *(len(one.landing) for one in found))  # no dimension is empty
    columns = {name: np.full((len(found), most), np.nan) for name in BORDERS}
    for row, (run, one) in enumerate(zip(runs.values(), found, strict=True)):
        for name in BORDERS:
            border = getattr(one, name.removeprefix("cycle_"))
            columns[name][row, : len(border)] = run.start + run.every * border
    parts = np.array([shares(one) for one in found])
    return xr.Dataset(
        {name: (("run", "cycle"), values) for name, values in columns.items()}
        | {f"phase_{n.lower()}_share": ("run", parts[:, i]) for i, n in enumerate(PHASES)},
        {"run": list(runs), "cycle": np.arange(most)},
    )


def predict(theory: Runs) -> xr.Dataset:
    """Shares of the phases of theory's trajectories, named ``predicted_*``."""
    measured = measure(theory)
    return xr.Dataset(
        {
            f"predicted_{name}": measured[name]
            for name in measured
            if measured[name].dims == ("run",)
        },
        {"run": list(theory)},
    )
