"""Claims about the other toys: underflow, multi-block, noise, Rayleigh quotient, logistic loss.

Sources: Kodryan et al. 2022 (arXiv 2209.03695) for blocks; Sadrtdinov et al. 2025 (2511.07308)
for noise; Amin et al. 2026 (2609.09116) for underflow.
"""

from itertools import pairwise

import mpmath
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from compare.measure.observables import closed_stretch
from compare.study.design import ToyStudy
from compare.toy_claims.claim import Claim, Finding, advance, finding, worst
from theory import laws
from theory.arrays import FloatArray
from theory.simulation import grid
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import isotropic_map, losses
from theory.toy_losses.by_name import LOGISTIC_POINTS
from theory.trajectory.jumps import find_jumps
from theory.vocabulary import VARIABLES

LR_AXIS = "intrinsic learning rate ηλ"
BLOCKS = ((1.0, 3.0), (1.0, 2.0, 4.0))
LOGISTIC_SCALE = 4.0
LOGISTIC_SHOWN = (1e-3, 3e-3, 1e-2)
# period times eta lam of the digits MLP falls from 0.84 to 0.58 over eta lam = 2e-4 ... 5e-2
NETWORK_RANGE, NETWORK_PERIODS = (2e-4, 5e-2), (0.84, 0.58)


def underflow(study: ToyStudy) -> Finding:
    """The Rayleigh quotient in the safe, the plain and a multi-precision simulation."""
    eta, lam, n_steps, start = 0.1, 0.01, 6000, (1.0, 0.4)
    exact = _multi_precision(start, eta, lam, n_steps)
    loss, weights = losses.rayleigh([0.0, 1.0]), np.array(start)[:, None]
    safe, plain = (
        advance(
            loss, weights, eta * lam, n_steps, learning_rate=eta, dynamics=Dynamics(safe=flag)
        ).weight_norm[:, 0]
        for flag in (True, False)
    )
    onsets = [find_jumps(-2 * np.log(norm)).onsets for norm in (exact, safe, plain)]
    third = int(onsets[0][2])
    count = [int((found <= third + 2).sum()) for found in onsets]
    return finding(
        "underflow",
        [
            Claim("jumps kept by the safe kernel", count[1], count[0], 0.0),
            Claim("step of its third jump", float(onsets[1][2]), third, 0.0, "steps"),
            Claim("jumps kept by the plain kernel", count[2], 0.0, 0.0),
        ],
        {
            "safe": ("step", safe, "weight norm ρ, safe kernel"),
            "plain": ("step", plain, "weight norm ρ, plain float64"),
            "predicted_norm": ("step", exact, "weight norm ρ, 40 digits"),
        },
    )


def _multi_precision(
    start: tuple[float, float], eta: float, lam: float, n_steps: int
) -> FloatArray:
    """Norms of SGD on the Rayleigh quotient with spectrum (0, 1) in 40 digits."""
    with mpmath.workdps(40):
        x, y = (mpmath.mpf(w) for w in start)
        shrink, norms = 1 - mpmath.mpf(eta) * mpmath.mpf(lam), []
        for _ in range(n_steps):
            s = x * x + y * y
            norms.append(float(mpmath.sqrt(s)))
            factor = shrink + eta * y * y / s**2
            x, y = x * factor, y * (factor - eta / s)
    return np.array(norms)


def blocks(study: ToyStudy) -> Finding:
    """Share of runs on the sphere that converge, about the predicted effective learning rate."""
    factors = np.array([0.9, 0.93, 0.96, 0.98, 0.99, 1.01, 1.02, 1.04, 1.07, 1.1])
    shares = np.array([_converged(strengths, factors, study) for strengths in BLOCKS])
    found = [float(np.interp(-0.5, -share, factors)) for share in shares]
    return finding(
        "blocks",
        [
            Claim(f"multi-block threshold elr·Σα/2, α = {list(strengths)}", edge, 1.0, 0.05)
            for strengths, edge in zip(BLOCKS, found, strict=True)
        ],
        {
            "factor": ("factor", factors, "elr Σα / 2"),
            "converged": ("spectrum factor", shares, "share of runs that converge"),
            "predicted_edge": ("", np.array(1.0), "elr = 2/Σα"),
        },
    )


def _converged(strengths: tuple[float, ...], factors: FloatArray, study: ToyStudy) -> FloatArray:
    """Share of random starts whose loss is below 1e-12 at the end, for each factor."""
    loss, n = losses.multi_block(strengths), study.scaled(24)
    weights = grid.initial_weights(loss, np.arange(n, dtype=float), 1.0)
    records = advance(
        loss,
        np.tile(weights, len(factors)),
        0.0,
        study.scaled(40_000),
        learning_rate=np.repeat(factors, n) * 2 / sum(strengths),
        record_every=100,
        dynamics=Dynamics(sphere=True),
    )
    late = records.train_loss[-10:].max(axis=0)
    return np.asarray((late < 1e-12).reshape(len(factors), n).mean(axis=1))


def noise(study: ToyStudy) -> Finding:
    """Stationary norm and loss of the isotropic toy with gradient noise of sigma = 1."""
    eta, dims, rates = 0.1, np.array([2, 3]), np.geomspace(2e-4, 1e-1, study.scaled(6))
    dim, rate = np.meshgrid(dims, rates, indexing="ij")
    norm = (eta**2 * (dim - 1) / (2 * rate)) ** 0.25
    mean_loss = (dim - 1) / 2 * np.sqrt(rate / (2 * (dim - 1)))
    settings = zip(dim.flat, rate.flat, norm.flat, strict=True)
    found = np.array([_stationary(int(d), x, r, eta, study) for d, x, r in settings])
    found_norm, found_loss = found.T.reshape(2, *dim.shape)
    small, smaller = rate <= 3e-3, rate <= 5e-4
    return finding(
        "noise",
        [
            worst("norm r* with noise, ηλ ≤ 3e-3", found_norm[small], norm[small], 0.02),
            worst("mean loss (d−1)T/2, ηλ ≤ 5e-4", found_loss[smaller], mean_loss[smaller], 0.02),
        ],
        {
            "intrinsic_lr": ("lr", rates, LR_AXIS),
            "dimension": ("dimension", dims, "weights d"),
            "norm": ("dimension lr", found_norm, "mean weight norm"),
            "loss": ("dimension lr", found_loss, "mean loss"),
            "predicted_norm": ("dimension lr", norm, "r*"),
            "predicted_loss": ("dimension lr", mean_loss, "(d−1)T/2"),
        },
    )


def _stationary(
    dimension: int, intrinsic_lr: float, norm: float, eta: float, study: ToyStudy
) -> tuple[float, float]:
    """Mean norm and loss over time and runs, from a start at the predicted norm."""
    start = np.zeros((dimension, study.scaled(128)))
    start[0] = norm
    records = advance(
        losses.isotropic(dimension),
        start,
        intrinsic_lr,
        int((4 + study.cycles) * 4 / intrinsic_lr),
        learning_rate=eta,
        record_every=max(1, int(0.02 / intrinsic_lr)),
        dynamics=Dynamics(noise=1.0),
    )
    late = slice(len(records.weight_norm) // 8, None)
    return float(records.weight_norm[late].mean()), float(records.train_loss[late].mean())


def rayleigh(study: ToyStudy) -> Finding:
    """Largest rise of the loss in one step at each phi, and one run through the threshold."""
    spectrum = (0.5, 1.0, 3.0)
    loss = losses.for_numpy(losses.rayleigh(spectrum))
    factors = np.linspace(0.8, 1.2, 41)
    w = _near_minimum(3, study.scaled(20_000))
    before, slope = loss.loss(w) - spectrum[0] / 2, loss.gradient(w)
    rates = factors * 2 / (spectrum[-1] - spectrum[0])
    rises = [(loss.loss(w - rate * slope) - spectrum[0] / 2) / before - 1 for rate in rates]
    rise = np.array([one.max() for one in rises])
    edge = float(np.interp(0.0, rise, factors))
    x, start = 0.01, np.array([[1.0], [0.4]])
    run = advance(losses.rayleigh([0.0, 1.0]), start, x, 200)
    phi = laws.reduced_lr(run.weight_norm[:, 0], 1.0, x)
    turn = float(phi[run.train_loss[:, 0].argmin()])
    return finding(
        "rayleigh",
        [
            Claim("Rayleigh: largest φ L/2 with descent everywhere", edge, 1.0, 0.01),
            Claim("Rayleigh: φ L where a run's loss turns", turn, 2.0, 0.03),
        ],
        {
            "factor": ("factor", factors, "φ L / 2"),
            "rise": ("factor", rise, "largest relative change of the loss in a step"),
            "phi": ("step", phi, "φ L"),
            "loss": ("step", run.train_loss[:, 0], "loss above its minimum"),
            "predicted_edge": ("", np.array(1.0), "φ = 2/L"),
        },
    )


def _near_minimum(dimension: int, n: int) -> FloatArray:
    """Unit weights of all distances to the minimum down to 1e-3, (dimension, n)."""
    drawn = 10 ** np.random.default_rng(0).uniform(-3, 0, (dimension, n))
    drawn[0] = 1.0
    drawn[1:-1, : n // 2] = 0.0  # only the stiffest direction is excited
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0))


def logistic(study: ToyStudy) -> Finding:
    """Separable logistic loss: trajectories and periods, where the loss destabilises."""
    loss = losses.logistic(LOGISTIC_POINTS, LOGISTIC_SCALE)
    threshold = 2 / _sharpness_at_minimum(loss)
    rates = np.geomspace(3e-4, 2e-2, study.scaled(7))
    rows = np.array([_measured(loss, x, study) for x in rates]).T
    period, depth, turning, balance, before = rows
    exits = np.array([_exit(x, f) for x, f in zip(rates, depth, strict=True)]) * threshold / 2
    slope = float(np.polyfit(np.log(rates), np.log(period), 1)[0])
    ratios = [last / first for first, last in (NETWORK_PERIODS, NETWORK_RANGE)]
    network = float(np.log(ratios[0]) / np.log(ratios[1])) - 1
    rounding = np.sqrt(2 * depth / rates)
    shown = np.array(LOGISTIC_SHOWN)
    norms, values, slopes = np.array([_trajectory(loss, x) for x in shown]).swapaxes(0, 1)
    return finding(
        "logistic",
        [
            worst("logistic: φ where small g grows, 2/S", turning, 0 * rates + threshold, 0.03),
            worst("logistic: growth over decay of the log norm", balance, 0 * rates + 1, 0.03),
            worst("logistic: elr before a jump, floor F of rounding", before, exits, 0.1),
            Claim("logistic: exponent of T against ηλ, as in networks", slope, network, 0.1),
        ],
        {
            "intrinsic_lr": ("lr", rates, LR_AXIS),
            "period": ("lr", period * rates, "period times ηλ"),
            "predicted_period": ("lr", rounding * rates, "√(2F/ηλ), rounding as the floor"),
            "before": ("lr", before, VARIABLES["effective_lr_before_jump"].long_name),
            "predicted_before": ("lr", exits, "Re Li₂(S elr) = π²/4 − 2ηλF"),
            "shown_lr": ("shown", shown, LR_AXIS),
            "norm": ("shown step", norms, "weight norm ρ"),
            "loss": ("shown step", values, "loss"),
            "gradient": ("shown step", slopes, "g"),
            "predicted_threshold": ("", np.array(threshold), "elr = 2/S at the minimum"),
        },
    )


def _sharpness_at_minimum(loss: losses.ToyLoss) -> float:
    """Curvature on the sphere where the loss of two weights is least."""

    def direction(angle: float) -> FloatArray:
        return np.array([np.cos(angle), np.sin(angle)])

    value = losses.for_numpy(loss).loss
    least = minimize_scalar(lambda angle: float(value(direction(angle))), bounds=(-1, 1),
                            method="bounded", options={"xatol": 1e-10}).x  # fmt: skip
    return losses.spherical_sharpness(loss, direction(float(least)))


def _trajectory(loss: losses.ToyLoss, intrinsic_lr: float) -> FloatArray:
    """Norm, loss and g over a fixed time, (3, 4000)."""
    start = grid.initial_weights(loss, np.array([1.0]), 1.0)
    records = advance(loss, start, intrinsic_lr, 4000)
    series = (records.weight_norm, records.train_loss, records.effective_grad_norm)
    return np.array([values[:, 0] for values in series])


def _measured(loss: losses.ToyLoss, intrinsic_lr: float, study: ToyStudy) -> tuple[float, ...]:
    """Mean period, depth F of g's dip, ``2/S`` from its growth, log balance, elr before jumps."""
    start = grid.initial_weights(loss, np.arange(study.scaled(4), dtype=float), 1.0)
    # the way to the first jump, and then cycles that get longer with about that power
    n_steps = int(6 / intrinsic_lr + 3 * study.cycles / intrinsic_lr**0.75)
    records = advance(loss, start, intrinsic_lr, n_steps)
    rows = []
    for norm, g in zip(records.weight_norm.T, records.effective_grad_norm.T, strict=True):
        onsets = find_jumps(-2 * np.log(norm)).onsets
        before = np.exp(-2 * np.log(norm[onsets[1:]]).mean())
        dips = [g[a:b] for a, b in pairwise(onsets[1:])]
        # the direction is kept to about 1e-16, whatever g the rounded weights happen to show
        depth = [np.log(dip.max() / max(dip.min(), 1e-16)) for dip in dips]
        closed, phi = closed_stretch(-2 * np.log(norm)), norm**-2 / (1 - intrinsic_lr)
        balance = laws.log_balance_ratio(phi[closed], g[closed], intrinsic_lr)
        turning = _growth_threshold(norm, g) / (1 - intrinsic_lr)
        period = np.diff(onsets[1:]).mean()
        rows.append((period, np.mean(depth), turning, balance, before))
    return tuple(np.nanmean(np.array(rows), axis=0).tolist())


def _exit(intrinsic_lr: float, depth: float) -> float:
    """``S phi`` at which the angle has grown by e^F since ``S phi = 2``, by the dilogarithm."""
    level = np.pi**2 / 4 - 2 * intrinsic_lr * depth
    return float(brentq(lambda x: isotropic_map.real_dilogarithm(x) - level, 2.0, 1e3))


def _growth_threshold(norm: FloatArray, g: FloatArray) -> float:
    """``2/S`` from steps on which a small g grows: ``g' = (elr S - 1) g`` there."""
    small = (g[:-1] > 1e-10) & (g[1:] < 1e-5) & (g[1:] > g[:-1])
    sharpness = (1 + g[1:][small] / g[:-1][small]) * norm[:-1][small] ** 2
    return float(2 / np.median(sharpness))
