"""``solve_norm``: the exact recursion beside the ODE, for gradients of every kind."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr

from sawtooth import Monitor, load_images, solve_norm
from theory import laws

LR, WD, G, RHO0 = 0.1, 0.05, 2.0, 3.0


def test_every_step_obeys_the_exact_law():
    found = solve_norm(LR, [WD, 2 * WD], grad_norm=G, rho0=RHO0, n_steps=200)
    norm = found["weight_norm"].values
    for row, decay in zip(norm, (WD, 2 * WD), strict=True):
        np.testing.assert_allclose(row[1:], laws.next_weight_norm(row[:-1], G, LR, decay), 1e-14)
    assert norm[0, 0] == norm[1, 0] == RHO0
    np.testing.assert_allclose(found["effective_lr"], LR / norm**2, rtol=1e-14)


def test_the_ode_has_its_closed_form_and_the_recursion_comes_to_rest():
    found = solve_norm(LR, WD, grad_norm=G, rho0=RHO0, n_steps=3000).isel(run=0)
    q, t = LR * G**2 / (2 * WD), np.arange(3000)
    closed = (q + (RHO0**4 - q) * np.exp(-4 * LR * WD * t)) ** 0.25
    np.testing.assert_allclose(found["ode_weight_norm"], closed, rtol=1e-12)
    rest = (LR**2 * G**2 / (1 - (1 - LR * WD) ** 2)) ** 0.25
    assert float(found["equilibrium_norm"]) == pytest.approx(rest, rel=1e-12)
    assert float(found["weight_norm"][-1]) == pytest.approx(rest, rel=1e-9)
    settled = int(found["settling_steps"])
    away = abs(found["weight_norm"].values / rest - 1)
    assert away[settled - 1] > 0.01 >= away[settled:].max()


def test_records_are_those_of_every_kth_step():
    dense = solve_norm(LR, WD, grad_norm=G, rho0=RHO0, n_steps=100)
    sparse = solve_norm(LR, WD, grad_norm=G, rho0=RHO0, n_steps=100, record_every=7)
    assert sparse["step"].values.tolist() == list(range(0, 100, 7))
    for name in ("weight_norm", "ode_weight_norm"):
        np.testing.assert_allclose(sparse[name], dense[name][:, ::7], rtol=1e-12)


def test_without_decay_the_norm_grows_and_never_rests():
    found = solve_norm(LR, 0.0, grad_norm=G, rho0=RHO0, n_steps=50)
    assert (np.diff(found["weight_norm"].values) > 0).all()
    assert np.isnan(found["equilibrium_norm"]).all()


@pytest.fixture(scope="module")
def recording():
    """A small network on the digits, every step recorded in float32."""
    torch.manual_seed(0)
    images = load_images("digits")
    layers = [torch.nn.Linear(64, 32, bias=False), torch.nn.BatchNorm1d(32, eps=1e-12)]
    model = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=0.02)
    monitor = Monitor(model, optimizer)
    for _ in range(200):
        batch = torch.randint(len(images.train_labels), (64,))
        inputs = images.normalise(images.train_images[batch]).flatten(1)
        loss = torch.nn.functional.cross_entropy(model(inputs), images.train_labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.step(loss)
    return monitor.dataset()


def test_recorded_gradients_give_the_norm_that_was_measured(recording):
    """Law 2 is exact: what is left is the rounding of 200 steps in float32."""
    found = solve_norm(grad_norm=recording)
    assert found.sizes == {"run": 1, "step": 200}
    measured = found["measured_weight_norm"].values
    np.testing.assert_array_equal(measured, recording["weight_norm"].values[0])
    np.testing.assert_allclose(found["weight_norm"][0], measured, rtol=1e-5)
    other = solve_norm(0.5, 0.1, grad_norm=recording)
    assert float(other["weight_norm"][0, -1]) < 0.9 * measured[-1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"grad_norm": -1.0}, "grad_norm must be a finite number >= 0, got -1.0"),
        ({"grad_norm": [1.0, np.nan, 1.0]}, "grad_norm must be finite and >= 0 at every step"),
        ({"grad_norm": np.ones(5), "n_steps": 6}, "n_steps must be at most the 5 steps of grad_n"),
        ({"n_steps": 0}, "n_steps must be >= 1, got 0"),
        ({"n_steps": 10**17}, "n_steps must be at most 1e\\+08, got 1"),
        ({"n_steps": 10**8, "weight_decay": [0.1, 0.2]}, "got 2 runs of 100000000 steps"),
        ({"record_every": 10**300}, "record_every must be at most 1e\\+08, got 1"),
        ({"n_steps": None}, "n_steps is needed, unless grad_norm is recorded"),
        ({"rho0": 0.0}, "rho0 must be a positive finite number, got 0.0"),
        ({"rho0": None}, "rho0 is needed, unless grad_norm is a recorded Dataset"),
        ({"weight_decay": 10.0}, "learning_rate \\* weight_decay must be below 1"),
        ({"run": "x"}, "chooses a run of a Dataset, which grad_norm is not"),
    ],
)
def test_what_cannot_be_solved_is_one_sentence(changes, sentence):
    asked = {
        "learning_rate": LR,
        "weight_decay": WD,
        "grad_norm": G,
        "rho0": RHO0,
        "n_steps": 10,
    } | changes
    with pytest.raises(ValueError, match=sentence):
        solve_norm(**asked)


def test_a_run_must_be_chosen_where_there_are_several(recording):
    several = xr.concat([recording, recording.assign_coords(run=["other"])], "run", data_vars="all")
    with pytest.raises(ValueError, match="the recording holds 2 runs; choose one of"):
        solve_norm(grad_norm=several)
    assert (
        solve_norm(grad_norm=several, run="other")["measured_weight_norm"].attrs["run"] == "other"
    )


@pytest.mark.slow
def test_a_constant_gradient_loads_no_compiler():
    code = (
        "import sys\nfrom theory.norm_ode.solve import solve_norm\n"
        "solve_norm(0.1, 0.1, grad_norm=1.0, rho0=1.0, n_steps=5)\n"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
