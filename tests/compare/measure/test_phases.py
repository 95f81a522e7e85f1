from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from compare.measure import gradient_valley, phases
from compare.report.figures.over_time import phase_shading
from compare.report.tables.phases import phase_table
from theory import trajectory
from theory.simulation.simulate import simulate
from theory.trajectory import RunSpec, read_runs
from theory.trajectory.jumps import find_jumps

LR = 0.5
RISE, FALL = 400, 10


def cycles(n_cycles, turn, noise, seed=0, depth=2.0):
    """ln(elr) and g of a sawtooth whose g falls for the share ``turn`` of each rise, then rises."""
    rng = np.random.default_rng(seed)
    up = np.linspace(0, 1.5, RISE, endpoint=False)
    down = np.linspace(1.5, 0, FALL, endpoint=False)
    border = round(turn * RISE)
    falls = np.linspace(2, -1, border)
    rises = np.linspace(-1, -1 + depth, RISE - border)
    log_g = np.concatenate([falls, rises, np.linspace(1, 2, FALL)])
    log_elr = np.tile(np.concatenate([up, down]), n_cycles) - 3
    return log_elr, np.exp(np.tile(log_g, n_cycles) + noise * rng.normal(size=len(log_elr)))


def found_in(log_elr, g):
    return phases.find(find_jumps(log_elr), g)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("turn", [0.3, 0.8])
def test_borders_are_found_where_they_are(turn, noise):
    found = found_in(*cycles(5, turn, noise))
    period = RISE + FALL
    assert found.landing.tolist() == [k * period for k in range(5)]
    assert found.onset.tolist() == [k * period + RISE for k in range(5)]
    np.testing.assert_allclose((found.turn - found.landing) / RISE, turn, atol=0.01 + 0.3 * noise)
    assert np.median((found.turn - found.landing) / RISE) == pytest.approx(turn, abs=0.03)


def test_where_g_never_rises_all_of_the_rise_is_a():
    for seed in range(20):
        found = found_in(*cycles(4, 1.0, 0.5, seed))
        np.testing.assert_array_equal(found.turn, found.onset)
        assert phases.shares(found)[1] == 0


def test_a_spike_on_the_way_down_is_no_turn():
    log_elr, g = cycles(3, 0.8, 0.2)
    g[100:110] *= 20
    assert (found_in(log_elr, g).turn[0]) / RISE == pytest.approx(0.8, abs=0.05)


def test_each_step_has_its_phase_and_shares_add_up():
    log_elr, g = cycles(4, 0.75, 0.0)
    log_elr, g = log_elr[:-100], g[:-100]  # the last rise is cut in phase B
    found = found_in(log_elr, g)
    phase = phases.of_each_step(found)
    period = RISE + FALL
    expected = ["A"] * 300 + ["B"] * 100 + ["C"] * FALL
    assert phase[:298].tolist() == expected[:298]  # a border is known to the width of a block
    assert phase[300:period].tolist() == expected[300:]
    assert phase[-1] == "B" and np.isnan(found.onset[-1])
    np.testing.assert_allclose(
        phases.shares(found), np.array([300, 100, FALL]) / period, atol=0.006
    )


def test_without_jumps_there_are_no_phases():
    found = found_in(np.linspace(0, 1, 500), np.ones(500))
    assert len(found.landing) == 0
    assert set(phases.of_each_step(found)) == {""}
    assert np.isnan(phases.shares(found)).all()


def dataset(log_elrs, gs, every=1):
    """Trajectories of given ln(elr) and g, the shorter ones ended early."""
    length = max(map(len, log_elrs))
    series = {name: np.full((len(gs), length), np.nan) for name in ("weight_norm", "g")}
    for row, (log_elr, g) in enumerate(zip(log_elrs, gs, strict=True)):
        series["weight_norm"][row, : len(g)] = np.sqrt(LR / np.exp(log_elr))
        series["g"][row, : len(g)] = g
    series["effective_grad_norm"] = series.pop("g")
    runs = [RunSpec(LR, 2e-3, seed, every * len(g)) for seed, g in enumerate(gs)]
    return trajectory.build(
        runs,
        series,
        source="network",
        model="mlp",
        data="digits",
        steps_per_epoch=11,
        record_every=every,
    )


def test_runs_of_a_dataset_are_padded_and_counted_in_steps():
    sawtooth = cycles(3, 0.5, 0.0)
    still = np.linspace(-3, -2, 200), np.ones(200)
    measured = phases.measure(read_runs(dataset(*zip(sawtooth, still, strict=True), every=10)))
    assert measured["cycle_onset"].sizes == {"run": 2, "cycle": 3}
    assert measured["cycle_onset"].values[0].tolist() == [4000, 8100, 12200]
    assert np.isnan(measured["cycle_onset"].values[1]).all()
    assert float(measured["phase_b_share"][0]) == pytest.approx(200 / 410, abs=0.006)
    assert np.isnan(float(measured["phase_b_share"][1]))


def test_shading_marks_each_phase_of_a_sawtooth_and_nothing_else():
    still = np.linspace(-3, -2, 200), np.ones(200)
    measured = phases.measure(read_runs(dataset(*zip(cycles(3, 0.5, 0.0), still, strict=True))))
    axes = Figure().subplots(2)
    for axis, run in zip(axes, measured["run"].values, strict=True):
        phase_shading.shade(axis, measured.sel(run=run), 1600)
    assert len(axes[0].patches) == 9  # the last fall is cut one record before its landing
    spans = [(patch.get_x(), patch.get_width()) for patch in axes[0].patches[:3]]
    assert spans == [(0, 200), (200, 200), (400, FALL)]
    assert len(axes[1].patches) == 0
    assert len(phase_shading.legend_patches(*axes)) == 3
    axes[0].set_xlim(50, 150)  # within the first phase A
    assert [one.get_label() for one in phase_shading.legend_patches(*axes)] == ["phase A: g falls"]
    assert phase_shading.legend_patches(axes[1]) == []


def test_a_table_holds_the_settings_that_have_phases():
    settings = xr.Dataset(
        {
            f"phase_{p}_share": ("setting", [s, np.nan])
            for p, s in zip("abc", (0.7, 0.2, 0.1), strict=True)
        }
        | {f"phase_{p}_share_sem": ("setting", [0.01, np.nan]) for p in "abc"}
        | {"regime": ("setting", ["periodic", "convergence"])}
        | {"variant": ("setting", ["", ""]), "learning_rate": ("setting", [0.5, 0.5])}
        | {"weight_decay": ("setting", [1e-3, 1e-6])}
    )
    table = phase_table(settings)
    assert table.rows == [
        ["η = 0.5, λ = 0.001", "periodic", "0.700 ± 0.010", "0.200 ± 0.010", "0.100 ± 0.010"]
    ]


def test_pooling_is_the_best_falling_fit():
    values = np.random.default_rng(1).normal(size=12)
    errors = gradient_valley.falling_errors(values)
    for k in range(1, 13):  # the best fall, by all ways to cut a beginning into pools
        best = np.inf
        for cuts in range(2 ** (k - 1)):
            edges = [0, *(i + 1 for i in range(k - 1) if cuts >> i & 1), k]
            parts = [values[a:b] for a, b in pairwise(edges)]
            if all(a.mean() >= b.mean() for a, b in pairwise(parts)):
                best = min(best, sum(((part - part.mean()) ** 2).sum() for part in parts))
        assert errors[k] == pytest.approx(best, abs=1e-12)


def test_flat_noise_turns_in_about_one_of_a_hundred():
    rng = np.random.default_rng(2)
    for n in (20, 150, 1000):
        turned = [gradient_valley.turn(rng.normal(size=n)) < n for _ in range(300)]
        assert np.mean(turned) < 0.04


def test_borders_are_steps_of_the_run_wherever_its_records_begin():
    toy = simulate("isotropic", 0.1, 0.1, n_steps=2000)
    whole, cut = (
        phases.measure(read_runs(one))["cycle_onset"].values[0]
        for one in (toy, toy.isel(step=slice(700, None)))
    )
    later = cut[np.isfinite(cut)]
    assert len(later) > 5 and set(later) <= set(whole)
