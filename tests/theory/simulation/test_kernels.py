import errno
import os
import subprocess
import sys

import mpmath
import numba
import numpy as np
import pytest

from theory import laws
from theory.simulation import toy_ensemble
from theory.simulation.kernels import kernel_cache
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import isotropic_map, losses

QUADRATIC = losses.rayleigh([0.0, 1.0])


def run(loss, weights, lr, wd, n_steps, **options):
    weights = np.asarray(weights, dtype=float)
    if weights.ndim == 1:
        weights = weights[:, None]
    n = weights.shape[1]
    return toy_ensemble.run(
        loss,
        weights,
        learning_rate=np.broadcast_to(float(lr), n),
        weight_decay=np.broadcast_to(float(wd), n),
        n_steps=n_steps,
        **options,
    )


def starts(d, n, seed=0):
    return np.random.default_rng(seed).normal(size=(d, n))


def directions(weights):
    return weights / np.linalg.norm(weights, axis=0)


def multi_precision(weights, eta, lam, n_steps):
    """Norms of SGD on the Rayleigh quotient with spectrum (0, 1) in 40 digits."""
    mpmath.mp.dps = 40
    x, y = (mpmath.mpf(float(w)) for w in weights)
    eta, lam = mpmath.mpf(eta), mpmath.mpf(lam)
    norms = []
    for _ in range(n_steps):
        s = x * x + y * y
        norms.append(float(mpmath.sqrt(s)))
        c = (1 - eta * lam) + eta * y * y / s**2
        x, y = x * c, y * (c - eta / s)
    return np.array(norms)


def jumps(norms):
    """First steps of each stretch in which the norm grows by more than 5 % a step."""
    fast = np.diff(np.log(norms)) > 0.05
    return np.flatnonzero(fast & ~np.roll(fast, 1))


def test_safe_kernel_matches_multi_precision_where_the_plain_one_loses_the_jumps():
    eta, lam, weights, n_steps = 0.1, 0.01, [1.0, 0.4], 6000
    exact = multi_precision(weights, eta, lam, n_steps)
    safe, plain = (
        run(QUADRATIC, weights, eta, lam, n_steps, dynamics=Dynamics(safe=flag)).weight_norm[:, 0]
        for flag in (True, False)
    )
    found = jumps(exact)
    assert len(found) >= 3
    third = found[2] + 20
    np.testing.assert_array_equal(jumps(safe)[:3], found[:3])
    # every period multiplies a rounding error by about 1e4
    for stop, tolerance in ((found[1], 1e-10), (found[2], 1e-7), (third, 1e-4)):
        np.testing.assert_allclose(safe[:stop], exact[:stop], rtol=tolerance)
    assert len(jumps(plain[:third])) == 0
    assert plain[found[0] + 20] < exact[found[0] + 20] / 2


def test_heavy_ball_is_that_of_network_optimizers():
    found = run(QUADRATIC, [1.0, 0.4], 0.02, 0.01, 1500, dynamics=Dynamics(momentum=0.5)).weights
    w, z = np.array([1.0, 0.4]), np.zeros(2)
    gradient = losses.for_numpy(QUADRATIC).gradient
    for _ in range(1500):
        z = 0.5 * z + gradient(w) + 0.01 * w
        w = w - 0.02 * z
    np.testing.assert_allclose(found[:, 0], w, rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "dynamics", "n_steps"),
    [
        # coordinates reach 1e-493 and come back, at other steps than their neighbours'
        (QUADRATIC, Dynamics(), 4000),
        (losses.isotropic(3), Dynamics(noise=0.3), 300),
        (losses.rayleigh(np.linspace(0, 1, 70).tolist()), Dynamics(), 300),
    ],
    ids=["exponents", "noise", "many weights"],
)
def test_trajectories_do_not_depend_on_threads_or_neighbours(loss, dynamics, n_steps):
    weights, seeds = starts(loss.dimension, 130), np.arange(130) * 7
    before = numba.get_num_threads()
    found = []
    for threads, chosen in ((1, slice(None)), (before, slice(None)), (before, slice(66, 71))):
        numba.set_num_threads(threads)
        records = run(
            loss, weights[:, chosen], 0.1, 0.01, n_steps, dynamics=dynamics, seeds=seeds[chosen],
            keep_path=True,
        )  # fmt: skip
        series = records.weight_norm[:, None], records.train_loss[:, None], records.path
        found.append(np.concatenate(series, axis=1))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][..., 66:71], found[2])


FINGERPRINTS = """
import hashlib
import numpy as np
from theory.simulation import toy_ensemble as ensemble
from theory.toy_losses import losses
n = 130
ones = np.ones(n)
for loss, noise, more in (
    (losses.rayleigh([0.0, 1.0]), 0.0, {"growth": 1.001 * ones}),
    (losses.isotropic(2), 0.3, {}),
    (losses.rayleigh(np.linspace(0, 1, 70).tolist()), 0.0, {}),
):
    records = ensemble.run(
        loss, np.random.default_rng(0).normal(size=(loss.dimension, n)), n_steps=300,
        learning_rate=0.1 * ones, weight_decay=0.05 * ones,
        dynamics=ensemble.Dynamics(noise=noise), **more,
    )
    fields = records.weight_norm, records.effective_grad_norm, records.weights
    print([hashlib.sha256(field.tobytes()).hexdigest() for field in fields])
"""


@pytest.mark.slow
def test_the_process_that_compiles_has_the_bits_of_those_that_load(tmp_path):
    def process(threads):
        # NUMBA_CACHE_DIR holds what was compiled, that of theory.simulation.kernels.rayleigh too
        folders = {"SAWTOOTH_CACHE": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
        command = [sys.executable, "-c", FINGERPRINTS]
        environment = {**os.environ, **folders, "NUMBA_NUM_THREADS": threads}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    compiled = process("2")
    objects = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert len(objects) == 3
    assert process("1") == compiled
    assert objects == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}


def test_one_bad_trajectory_leaves_the_others_alone():
    weights = starts(2, 5)
    broken = weights.copy()
    broken[:, 2] = np.nan
    good, bad = (run(QUADRATIC, w, 0.1, 0.05, 200).weight_norm for w in (weights, broken))
    assert np.isnan(bad[:, 2]).all()
    np.testing.assert_array_equal(np.delete(good, 2, 1), np.delete(bad, 2, 1))


def test_norm_obeys_the_exact_law_with_noise_and_without():
    for loss, dynamics in (
        (losses.isotropic(3), Dynamics(noise=0.3)),
        (QUADRATIC, Dynamics()),
    ):
        records = run(loss, starts(loss.dimension, 3), 0.1, 0.05, 200, dynamics=dynamics)
        norm = records.weight_norm
        law = laws.next_weight_norm(norm[:-1], records.effective_grad_norm[:-1], 0.1, 0.05)
        np.testing.assert_allclose(norm[1:], law, rtol=1e-13)


def test_large_rayleigh_kernel_agrees_with_numpy():
    alphas = np.linspace(0.5, 3, 70)
    loss = losses.rayleigh(alphas.tolist())
    weights = starts(70, 2)
    w = weights.copy()
    for _ in range(100):
        w = (1 - 0.3 * 0.02) * w - 0.3 * losses.for_numpy(loss).gradient(w)
    for safe in (True, False):
        records = run(loss, weights, 0.3, 0.02, 100, dynamics=Dynamics(safe=safe))
        np.testing.assert_allclose(records.weights, w, rtol=1e-10)
        start = losses.for_numpy(loss).gradient(weights)
        slope = np.linalg.norm(start, axis=0) * np.linalg.norm(weights, axis=0)
        np.testing.assert_allclose(records.effective_grad_norm[0], slope, rtol=1e-12)
        np.testing.assert_allclose(records.train_loss[0], losses.for_numpy(loss).loss(weights))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_growing_rate_twin_follows_the_same_directions(momentum):
    eta, lam, start = 0.05, 0.1, np.array([1.0, 0.3])
    loss = QUADRATIC
    alpha = laws.momentum_shrink(eta, lam, momentum)
    dynamics = Dynamics(momentum=momentum)
    decayed = run(loss, start, eta, lam, 200, dynamics=dynamics, keep_path=True)
    twin = run(
        loss,
        start,
        eta / alpha,
        0.0,
        200,
        dynamics=dynamics,
        growth=np.array([alpha**-2]),
        velocity=-(1 - alpha) / (eta * alpha) * start[:, None],
        keep_path=True,
    )
    expected = directions(decayed.path.transpose(1, 0, 2))
    np.testing.assert_allclose(directions(twin.path.transpose(1, 0, 2)), expected, atol=1e-12)
    growth = twin.weight_norm[:, 0] / decayed.weight_norm[:, 0]
    np.testing.assert_allclose(growth, alpha ** -np.arange(200.0), rtol=1e-11)


def test_settings_of_equal_intrinsic_lr_follow_the_same_directions():
    eta, lam, c, start = 0.05, 0.1, 3.0, np.array([1.0, 0.3])
    loss = QUADRATIC
    one = run(loss, start, eta, lam, 200, keep_path=True)
    lr, wd, _ = laws.equivalent_setting(eta, lam, 1.0, c)
    other = run(loss, c * start, lr, wd, 200, keep_path=True)
    np.testing.assert_allclose(
        directions(other.path.transpose(1, 0, 2)),
        directions(one.path.transpose(1, 0, 2)),
        atol=1e-12,
    )
    np.testing.assert_allclose(other.weight_norm, c * one.weight_norm, rtol=1e-12)


def at_reduced_lr(phi, q, eta, lam):
    """Weights of the isotropic toy at a given phi and q."""
    norm = np.sqrt(eta / (1 - eta * lam) / phi)
    return norm * np.array([q, np.sqrt(1 - q * q)])


@pytest.mark.parametrize("intrinsic_lr", [1e-3, 0.05, 0.4])
def test_isotropic_fixed_point_and_spectrum(intrinsic_lr):
    a = 1 - intrinsic_lr
    q, phi = isotropic_map.fixed_point(intrinsic_lr)
    assert isotropic_map.step(q, phi, intrinsic_lr) == pytest.approx((q, phi), rel=1e-13)
    shift = 1e-6
    numeric = np.array(
        [
            (np.array(isotropic_map.step(q + dq, phi + dp, intrinsic_lr))
             - isotropic_map.step(q - dq, phi - dp, intrinsic_lr)) / (2 * shift)
            for dq, dp in ((shift, 0), (0, shift))
        ]
    ).T  # fmt: skip
    analytic = isotropic_map.jacobian(q, phi, intrinsic_lr)
    np.testing.assert_allclose(analytic, numeric, atol=1e-6)
    eigenvalues = np.linalg.eigvals(analytic)
    np.testing.assert_allclose(abs(eigenvalues), np.sqrt(1 + a - a * a), atol=1e-8)
    assert eigenvalues.sum().real == pytest.approx(3 * a * a + a - 2, abs=1e-8)


def test_isotropic_kernel_is_the_map_of_two_numbers():
    eta, lam, q, phi = 1.0, 0.05, 0.3, 1.7
    records = run(losses.isotropic(), at_reduced_lr(phi, q, eta, lam), eta, lam, 15)
    for t in range(15):
        found = laws.reduced_lr(records.weight_norm[t, 0], eta, lam)
        assert found == pytest.approx(phi, rel=1e-9)
        assert 1 - records.train_loss[t, 0] == pytest.approx(q, abs=1e-10)
        q, phi = isotropic_map.step(q, phi, eta * lam)


def test_small_oscillations_have_the_predicted_period():
    eta, lam = 1.0, 1e-4
    q, phi = isotropic_map.fixed_point(eta * lam)
    start = at_reduced_lr(phi * 1.001, q, eta, lam)
    norm = run(losses.isotropic(), start, eta, lam, 2300).weight_norm[:, 0]
    excess = laws.reduced_lr(norm, eta, lam) - phi
    rising = np.flatnonzero((excess[:-1] < 0) & (excess[1:] >= 0))
    crossings = rising - excess[rising] / (excess[rising + 1] - excess[rising])
    assert len(crossings) == 10
    predicted = isotropic_map.small_oscillation_period(eta * lam)
    assert np.diff(crossings).mean() == pytest.approx(predicted, rel=0.01)


def test_exit_from_the_minimum_obeys_the_dilogarithm_law():
    assert isotropic_map.exit_reduced_lr(0.0) == pytest.approx(12.595, abs=5e-4)
    eta, lam, threshold = 1.0, 2e-4, 1e-3
    records = run(losses.isotropic(), at_reduced_lr(0.5, 0.9, eta, lam), eta, lam, 40000)
    phi = laws.reduced_lr(records.weight_norm[:, 0], eta, lam)
    small = records.effective_grad_norm[:, 0] < threshold
    entries = np.flatnonzero(small[1:] & ~small[:-1]) + 1
    exits = np.flatnonzero(~small[1:] & small[:-1]) + 1
    exits = exits[exits > entries[0]][:4]
    assert len(exits) >= 3
    for entry, leave in zip(entries, exits, strict=False):
        assert phi[leave] == pytest.approx(isotropic_map.exit_reduced_lr(phi[entry]), rel=0.02)


def test_blocks_on_the_sphere_converge_below_the_predicted_rate_only():
    strengths = [1.0, 3.0]
    loss = losses.multi_block(strengths)
    threshold = 2 / sum(strengths)
    for factor, converges in ((0.95, True), (1.05, False)):
        records = run(
            loss, directions(starts(4, 64)), factor * threshold, 0.0, 20000,
            dynamics=Dynamics(sphere=True), record_every=100,
        )  # fmt: skip
        assert (records.train_loss[-50:].max(axis=0) < 1e-12).all() == converges
        assert (records.train_loss[-50:].max(axis=0) > 1e-3).all() != converges
        np.testing.assert_allclose(records.weight_norm, 1, rtol=1e-14)


def test_noise_has_the_stationary_norm_and_loss_of_theory():
    eta, lam, sigma, d = 0.1, 1e-3, 1.0, 3
    norm = (eta * sigma**2 * (d - 1) / (2 * lam)) ** 0.25
    start = np.zeros((d, 256))
    start[0] = norm
    records = run(
        losses.isotropic(d), start, eta, lam, 40000,
        dynamics=Dynamics(noise=sigma), record_every=50,
    )  # fmt: skip
    late = slice(200, None)
    temperature = np.sqrt(eta * lam * sigma**2 / (2 * (d - 1)))
    assert records.weight_norm[late].mean() == pytest.approx(norm, rel=0.005)
    assert records.train_loss[late].mean() == pytest.approx((d - 1) * temperature / 2, rel=0.02)
    squared = (records.effective_grad_norm[late] ** 2).mean()
    assert squared == pytest.approx(sigma**2 * (d - 1), rel=0.01)


def test_normals_are_normal():
    # far from convergence and with a huge norm, one step shows the noise itself
    n, d = 100_000, 3
    start = np.zeros((d, n))
    start[0] = 1.0
    noise = run(losses.isotropic(d), start, 1.0, 0.0, 1, dynamics=Dynamics(noise=1.0)).weights
    assert abs(noise[0] - 1).max() < 1e-15
    z = noise[1:].ravel()
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        spread = np.sqrt(np.mean(z ** (2 * power)) / len(z))
        assert abs((z**power).mean() - moment) < 4 * spread
    assert abs(np.corrcoef(noise[1:])[0, 1]) < 4 / np.sqrt(n)
    assert np.mean(abs(z) > 3) == pytest.approx(0.0027, rel=0.2)


def test_kernels_live_in_the_chosen_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SAWTOOTH_CACHE", str(tmp_path / "deep"))
    module = kernel_cache.load("answer = 42\n")
    assert module.answer == 42
    assert module.__file__.startswith(str(tmp_path / "deep"))
    assert kernel_cache.load("answer = 42\n") is module
    assert [p.suffix for p in (tmp_path / "deep").iterdir() if p.is_file()] == [".py"]


def test_kernels_run_where_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("SAWTOOTH_CACHE", str(tmp_path / "file" / "cache"))
    module = kernel_cache.load("answer = 43\n")
    assert module.answer == 43
    assert kernel_cache.load("answer = 43\n") is module
    assert kernel_cache.folder().stat().st_mode & 0o777 == 0o700


def test_a_kernel_runs_though_there_is_no_room_to_keep_it():
    calls = []

    def compiles_first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")

    kernel_cache.kept_or_not(compiles_first)(1, 2)
    assert calls == [(1, 2), (1, 2)]


def test_a_kernel_is_compiled_anew_when_its_helpers_change(tmp_path, monkeypatch):
    monkeypatch.setenv("SAWTOOTH_CACHE", str(tmp_path / "cache"))
    kernel, helpers = tmp_path / "kernel.py", tmp_path / "helpers.py"
    kernel.write_text("answer = 42\n")
    files = []
    for text in ("one = 1\n", "one = 2\n", "one = 1\n"):
        helpers.write_text(text)
        module = kernel_cache.load_file(kernel, helpers=helpers)
        assert module.answer == 42
        files.append(module.__file__)
    assert files[0] == files[2] != files[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.0}, "momentum must be in"),
        ({"noise": float("nan")}, "noise must be a finite"),
        ({"sphere": True, "momentum": 0.5}, "momentum on the sphere"),
        ({"safe": True, "noise": 0.1}, "noise needs no safe"),
    ],
)
def test_impossible_dynamics_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Dynamics(**options)


def test_shapes_and_large_losses_are_checked():
    with pytest.raises(ValueError, match=r"weights must be \(2, n\), got shape \(3, 1\)"):
        run(QUADRATIC, [1.0, 2.0, 3.0], 0.1, 0.1, 10)
    large = losses.rayleigh(np.arange(70.0).tolist())
    with pytest.raises(ValueError, match="above 64 weights"):
        run(large, np.ones(70), 0.1, 0.1, 10, dynamics=Dynamics(noise=0.1))


def test_a_kernel_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setenv("SAWTOOTH_CACHE", str(tmp_path))
    named = rf"No space left on device: '{tmp_path}/sawtooth_kernel_[0-9a-f]{{20}}\.py'"
    with pytest.raises(OSError, match=named):
        kernel_cache.load("x = 'of a test'")
    assert list(tmp_path.iterdir()) == []
