import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from theory import laws, trajectory
from theory.laws import schedules
from theory.simulation import grid as simulate
from theory.simulation import write_file
from theory.simulation.grid import Grid
from theory.simulation.simulate import simulate as by_name
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import losses

LOSS = losses.rayleigh([0.0, 1.0])
GRID = Grid((0.1, 0.2), (0.01, 0.05), tuple(range(20)), n_steps=400, record_every=50)


def test_the_dataset_has_the_schema_of_trajectories():
    dataset = simulate.simulate(LOSS, GRID)
    assert dict(dataset.sizes) == {"run": 80, "step": 8}
    np.testing.assert_array_equal(dataset["step"], np.arange(0, 400, 50))
    run = dataset.sel(run="lr0.2-wd0.01-seed3")
    assert (float(run["learning_rate"]), float(run["weight_decay"])) == (0.2, 0.01)
    assert run["status"] == "completed"
    assert dataset["weight_norm"].attrs["source"] == "theory"
    np.testing.assert_allclose(dataset["weight_norm"][:, 0], 1, rtol=1e-15)
    np.testing.assert_allclose(
        run["effective_lr"], laws.effective_lr(run["weight_norm"], 0.2), rtol=1e-15
    )
    assert len(trajectory.recorded(dataset, "lr0.2-wd0.01-seed3", "train_loss")) == 8


def test_one_run_is_plain_sgd():
    dataset = simulate.simulate(LOSS, GRID)
    w = simulate.initial_weights(LOSS, np.array([7]), 1.0)[:, 0]
    numpy_loss = losses.for_numpy(LOSS)
    for step in range(351):
        if step % 50 == 0:
            found = dataset.sel(run="lr0.1-wd0.05-seed7", step=step)
            norm, slope = np.linalg.norm(w), np.linalg.norm(numpy_loss.gradient(w))
            assert float(found["weight_norm"]) == pytest.approx(norm, rel=1e-10)
            assert float(found["effective_grad_norm"]) == pytest.approx(norm * slope, rel=1e-8)
            assert float(found["train_loss"]) == pytest.approx(float(numpy_loss.loss(w)), rel=1e-8)
        w = (1 - 0.1 * 0.05) * w - 0.1 * numpy_loss.gradient(w)


def test_blocks_and_the_file_are_the_whole_bit_by_bit(tmp_path, monkeypatch):
    whole = simulate.simulate(LOSS, GRID)
    monkeypatch.setattr(simulate, "block_size", lambda *_: 33)
    joined = xr.concat(list(simulate.blocks(LOSS, GRID)), "run", data_vars="minimal")
    xr.testing.assert_identical(joined, whole)
    said, done = [], []
    path = tmp_path / "new" / "toy.nc"
    assert write_file.write(LOSS, GRID, path, say=said.append, progress=done.append) == path
    with xr.open_dataset(path, engine="h5netcdf") as found:
        xr.testing.assert_identical(found.load(), whole)
    assert done == [33, 66, 80]
    assert said[0].startswith("80 trajectories, 3.2e+04 steps in all")
    assert [p.name for p in path.parent.iterdir()] == ["toy.nc"]
    with pytest.raises(FileExistsError, match=r"toy\.nc exists already"):
        write_file.write(LOSS, GRID, path)


def test_the_cost_of_a_large_grid_is_bounded_in_memory():
    grid = Grid((0.1,), (0.01,), tuple(range(100_000)), n_steps=1_000_000, record_every=1000)
    cost = simulate.cost(grid, dimension=2)
    assert (cost.n_runs, cost.n_steps) == (100_000, 10**11)
    assert cost.memory <= 250e6 + 2**28
    assert cost.disk == pytest.approx(100_000 * 1000 * 4 * 8, rel=0.02)


PEAK = """
import sys
from pathlib import Path
from theory.simulation import grid as simulate, write_file
from theory.simulation.grid import Grid
from theory.toy_losses import losses

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(dict(line.split(":", 1) for line in lines)[key].split()[0])

rates = tuple(0.01 + 1e-3 * k for k in range(100))
few, many = (Grid(rates, (0.01,), tuple(range(n)), n_steps=200, record_every=20) for n in (1, 1000))
for grid, name in ((few, "few.nc"), (many, "many.nc")):
    before = status("VmRSS")
    loss = losses.rayleigh([0.0, 1.0])
    write_file.write(loss, grid, Path(sys.argv[1]) / name, say=lambda sentence: None)
print(status("VmHWM"), status("VmHWM") - before)
print(*(simulate.cost(grid, dimension=2).memory for grid in (few, many)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_memory_that_is_said_is_the_memory_that_is_taken(tmp_path):
    """The few runs come first: what a compiler or a library takes is there before the many."""
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (peak, grown), (said_few, said_many) = (
        [float(number) for number in line.split()] for line in done.stdout.splitlines()
    )
    assert said_many == pytest.approx(peak, rel=0.3)
    assert said_many - said_few == pytest.approx(grown, rel=0.3)
    size = (tmp_path / "many.nc").stat().st_size
    assert size == pytest.approx(100_000 * (4 * 8 * 10 + 345), rel=0.1)


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_block", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_file.write(LOSS, GRID, tmp_path / "toy.nc", say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_schedules_change_the_rate_of_the_run():
    for schedule in ("step", "cosine"):
        grid = Grid((0.1,), (0.5,), n_steps=200, schedule=schedule)
        dataset = simulate.simulate(LOSS, grid).isel(run=0)
        factors = schedules.factors(schedule, 200)
        norm, g = dataset["weight_norm"].values, dataset["effective_grad_norm"].values
        expected = laws.next_weight_norm(norm, g, 0.1 * factors, 0.5)
        np.testing.assert_allclose(norm[1:], expected[:-1], rtol=1e-13)
        np.testing.assert_allclose(dataset["effective_lr"], 0.1 * factors / norm**2, rtol=1e-14)
    assert schedules.factors("step", 8).tolist() == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)
    assert schedules.factors("cosine", 4)[[0, 2]] == pytest.approx([1, 0.5])


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.array])
def test_numbers_of_numpy_are_numbers(kind):
    """1/16 and 1/8 are the same in all of them."""
    plain, other = (
        by_name("isotropic", lr, wd, n_steps=30)
        for lr, wd in ((0.0625, 0.125), (kind(0.0625), kind(0.125)))
    )
    xr.testing.assert_identical(plain, other)


def test_the_growing_schedule_is_the_twin():
    options = {"learning_rates": (0.2,), "weight_decays": (0.5,), "seeds": (1, 2), "n_steps": 60}
    decayed = simulate.simulate(LOSS, Grid(**options))
    twin = simulate.simulate(LOSS, Grid(**options, schedule="growing"))
    np.testing.assert_allclose(twin["effective_lr"] * 0.9, decayed["effective_lr"], rtol=1e-9)
    np.testing.assert_allclose(twin["train_loss"], decayed["train_loss"], atol=1e-10)


def test_a_run_that_overflows_is_marked_and_the_others_finish():
    grid = Grid((0.2,), (0.0, 0.5), n_steps=20_000, schedule="growing")
    calm, wild = (simulate.simulate(LOSS, grid).isel(run=k) for k in (0, 1))
    assert (calm["status"], calm["reason"], calm["n_steps"]) == ("completed", "", 20_000)
    assert np.isfinite(calm["weight_norm"]).all()
    ended = int(wild["n_steps"])
    # the norm grows by 1/0.9 a step until its square leaves float64
    largest = np.sqrt(np.finfo(float).max)
    assert ended == pytest.approx(np.log(largest) / -np.log(0.9), rel=0.005)
    assert largest / 3 < wild["weight_norm"][ended - 1] <= largest
    assert wild["status"] == "diverged"
    assert f"overflowed by step {ended}" in str(wild["reason"].values)
    assert np.isfinite(wild["weight_norm"][:ended]).all()
    assert np.isnan(wild["weight_norm"][ended:]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rates": (10.0,), "weight_decays": (0.1,)}, "must be below 1, got 10.0"),
        ({"learning_rates": (float("nan"),)}, "learning_rate must be a positive.*nan"),
        ({"weight_decays": (-0.1,)}, "weight_decay must be a finite number >= 0, got -0.1"),
        ({"weight_decays": ()}, "number of weight_decays must be >= 1, got 0"),
        ({"seeds": (0, -1)}, "seed must be >= 0, got -1"),
        ({"n_steps": 0}, "n_steps must be >= 1, got 0"),
        ({"record_every": 0}, "record_every must be >= 1, got 0"),
        ({"initial_norm": 0.0}, "initial_norm must be a positive"),
        ({"schedule": "linear"}, "schedule must be one of .*'linear'"),
        ({"dynamics": Dynamics(sphere=True)}, "on the sphere weight_decay must be 0"),
    ],
)
def test_bad_grids_are_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        Grid(**{"learning_rates": (0.1,), "weight_decays": (0.01,), **options})


@pytest.mark.slow
def test_theory_imports_neither_torch_nor_a_compiler():
    code = (
        "import sys, theory; assert 'numba' not in sys.modules and 'torch' not in sys.modules;"
        "import theory.simulation.grid, theory.simulation.write_file;"
        "assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_probing_rises_again_and_again_between_its_bounds():
    factors = schedules.factors("probing", 5000)
    steps = np.diff(np.log(factors))
    drops = np.flatnonzero(steps < 0)
    slow, fast = schedules.PROBING_RATE
    assert len(factors) == 5000 and len(drops) > 3
    assert factors[0] == pytest.approx(2.0)
    assert steps[steps > 0].min() >= slow * 0.999 and steps[steps > 0].max() <= fast * 1.001
    assert factors[drops + 1].min() >= 1 and factors[drops + 1].max() <= 8
    assert factors[drops].min() >= 8 * np.exp(-fast) and factors[drops].max() <= 50


def test_probing_is_another_one_for_another_length():
    some, whole = np.array([10, 4000]), schedules.factors("probing", 5000)
    rates = schedules.learning_rates("probing", 0.1, 0.0, 5000, steps=some)
    assert rates == pytest.approx(0.1 * whole[some])
    assert not np.allclose(schedules.factors("probing", 4999), whole[:4999])


def test_a_rate_or_gradient_beyond_float64_ends_a_run():
    for options in ({"initial_norm": 1e-150}, {"dynamics": Dynamics(noise=1e308)}):
        grid = Grid((1e100,), (0.0,), seeds=(1, 2, 3), n_steps=20, **options)
        found = simulate.simulate(LOSS, grid)
        assert set(found["status"].values) == {"diverged"}
        assert not any(np.isinf(found[name]).any() for name in found if found[name].dtype == float)
