"""Claims about the isotropic toy: fixed point, oscillations, relaxation cycle, residual floor.

Source: Amin et al. 2026 (arXiv 2609.09116); ``theory.toy_losses.isotropic_map``.
"""

import numpy as np

from compare.study.design import ToyStudy
from compare.toy_claims.claim import Claim, Finding, advance, finding, worst
from theory import laws
from theory.arrays import FloatArray
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import isotropic_map, losses
from theory.trajectory.jumps import find_jumps
from theory.vocabulary import VARIABLES

LR_AXIS = "intrinsic learning rate ηλ"
ENTRY_ANGLE = 1e-3  # below it, the angle counts as small
FLOOR_LOAD = (0.01, 0.03, 0.1, 0.3)  # F eta lam
FLOOR_DEPTH = (10.0, 20.0, 40.0, 80.0)  # F
PUBLISHED_CYCLE = (1.3, 1.5)  # period times eta lam


def weights_at(q: FloatArray, phi: FloatArray, intrinsic_lr: FloatArray | float) -> FloatArray:
    """Weights (2, n) of given cosine and reduced learning rate, at a learning rate of 1."""
    norm = np.sqrt(1 / (1 - np.asarray(intrinsic_lr)) / phi)
    return np.array([norm * q, norm * np.sqrt(1 - np.asarray(q) ** 2)])


def fixed_point(study: ToyStudy) -> Finding:
    """Fixed point and spectrum, from one simulated step around it by central differences."""
    rates = np.geomspace(1e-3, 0.4, study.scaled(12))
    predicted = np.array([isotropic_map.fixed_point(x) for x in rates]).T
    found = np.array([_newton(x) for x in rates]).T
    modulus = np.sqrt(1 + (1 - rates) - (1 - rates) ** 2)
    return finding(
        "fixed_point",
        [
            worst("fixed point, q*", found[0], predicted[0], 1e-8),
            worst("fixed point, φ*", found[1], predicted[1], 1e-8),
            worst("modulus of its spectrum", found[2], modulus, 1e-8),
        ],
        {
            "intrinsic_lr": ("lr", rates, LR_AXIS),
            "q": ("lr", found[0], "cosine q at the fixed point"),
            "phi": ("lr", found[1], "reduced learning rate φ at the fixed point"),
            "modulus": ("lr", found[2], "modulus of the eigenvalues"),
            "predicted_q": ("lr", predicted[0], "√((1+a)/2)"),
            "predicted_phi": ("lr", predicted[1], "√(2(1+a))/a"),
            "predicted_modulus": ("lr", modulus, "√(1+a−a²)"),
        },
    )


def _newton(intrinsic_lr: float) -> tuple[float, float, float]:
    """Fixed point and modulus of the simulated step: two Newton steps from a start 1 % off."""
    point = np.array(isotropic_map.fixed_point(intrinsic_lr)) * (1 - 0.01 * intrinsic_lr)
    shift = 1e-5
    offsets = np.array([[0, shift, -shift, 0, 0], [0, 0, 0, shift, -shift]])
    for _ in range(4):
        q, phi = point[:, None] + offsets
        records = advance(losses.isotropic(), weights_at(q, phi, intrinsic_lr), intrinsic_lr, 2)
        after = np.array([1 - records.train_loss[1], _phi(records.weight_norm[1], intrinsic_lr)])
        slope = (after[:, [1, 3]] - after[:, [2, 4]]) / (2 * shift)
        point = point + np.linalg.solve(np.eye(2) - slope, after[:, 0] - point)
    return float(point[0]), float(point[1]), float(abs(np.linalg.eigvals(slope)).max())


def _phi(weight_norm: FloatArray, intrinsic_lr: FloatArray | float) -> FloatArray:
    return np.asarray(laws.reduced_lr(weight_norm, 1.0, intrinsic_lr))


def oscillations(study: ToyStudy) -> Finding:
    """Period of small oscillations about the fixed point, and one of them step by step."""
    rates = np.geomspace(1e-5, 1e-3, study.scaled(7))
    measured = np.array([_turn(x) for x in rates])
    predicted = np.array([isotropic_map.small_oscillation_period(x) for x in rates])
    shown = 1e-4
    excess = _excess(shown, 800)
    q, phi = isotropic_map.fixed_point(shown)
    map_, state = isotropic_map.jacobian(q, phi, shown), np.array([0.0, 1e-3 * phi])
    linear = []
    for _ in range(len(excess)):
        linear.append(state[1] / phi)
        state = map_ @ state
    return finding(
        "oscillations",
        [worst("period of small oscillations", measured, predicted, 0.01, "steps")],
        {
            "intrinsic_lr": ("lr", rates, LR_AXIS),
            "period": ("lr", measured, "period"),
            "predicted_period": ("lr", predicted, "2π/√(8ηλ)"),
            "excess": ("step", excess, "φ/φ* − 1 at ηλ = 1e-4"),
            "predicted_excess": ("step", np.array(linear), "linear map"),
        },
    )


def _excess(intrinsic_lr: float, n_steps: int) -> FloatArray:
    """``phi / phi* - 1`` of a run that starts slightly above the fixed point."""
    q, phi = isotropic_map.fixed_point(intrinsic_lr)
    start = weights_at(np.array([q]), np.array([phi * 1.001]), np.array([intrinsic_lr]))
    norm = advance(losses.isotropic(), start, intrinsic_lr, n_steps).weight_norm[:, 0]
    return np.asarray(_phi(norm, intrinsic_lr) / phi - 1)


def _turn(intrinsic_lr: float) -> float:
    """Mean time between upward zeros of the excess, interpolated."""
    excess = _excess(intrinsic_lr, int(6.5 * isotropic_map.small_oscillation_period(intrinsic_lr)))
    rising = np.flatnonzero((excess[:-1] < 0) & (excess[1:] >= 0))
    zeros = rising - excess[rising] / (excess[rising + 1] - excess[rising])
    return float(np.diff(zeros).mean())


def cycle(study: ToyStudy) -> Finding:
    """Noise-free relaxation cycle: every single period at several eta lam, beside its limit."""
    rates = np.geomspace(2e-4, 2e-2, study.scaled(7))
    periods = [_periods(x, study) * x for x in rates]
    width = max(len(found) for found in periods)
    padded = np.array([np.pad(p, (0, width - len(p)), constant_values=np.nan) for p in periods])
    limit = singular_periods(study.scaled(4000))
    slow = np.concatenate(periods[: max(1, len(periods) // 2)])
    (shortest, low), (longest, high) = (
        [float(np.quantile(some, share)) for some in (slow, limit)] for share in (0.01, 0.99)
    )
    mean = float(slow.mean())
    inside = float(((slow > PUBLISHED_CYCLE[0]) & (slow < PUBLISHED_CYCLE[1])).mean())
    return finding(
        "cycle",
        [
            Claim("mean cycle, T ηλ within 1.3–1.5", mean, 1.4, 0.0715),
            Claim("mean cycle, T ηλ against its limit", mean, float(limit.mean()), 0.01),
            Claim("shortest cycle (1 %), T ηλ", shortest, low, 0.02),
            Claim("longest cycle (99 %), T ηλ", longest, high, 0.02),
            Claim("share of single cycles within 1.3–1.5, as stated", inside, 1.0, 0.05),
        ],
        {
            "intrinsic_lr": ("lr", rates, LR_AXIS),
            "periods": ("lr index", padded, "single periods times ηλ"),
            "predicted_periods": ("sample", limit, "periods times ηλ for ηλ → 0"),
        },
    )


def _periods(intrinsic_lr: float, study: ToyStudy) -> FloatArray:
    """Single periods of runs from several starts, in steps."""
    starts = np.linspace(0.3, 0.95, study.scaled(32))
    every = max(1, int(2e-3 / intrinsic_lr))
    weights = weights_at(starts, np.full_like(starts, 0.5), np.full_like(starts, intrinsic_lr))
    n_steps = int(1.5 * study.cycles / intrinsic_lr)
    records = advance(losses.isotropic(), weights, intrinsic_lr, n_steps, record_every=every)
    runs = (-2 * np.log(norm) for norm in records.weight_norm.T)
    return np.concatenate([np.diff(find_jumps(run).onsets[1:]) for run in runs]) * float(every)


def singular_periods(n_samples: int) -> FloatArray:
    """Periods times eta lam in the limit of small eta lam, where two exact pieces alternate.

    The dilogarithm law takes phi from the landing to the exit; then the angle grows out of
    smallness in finitely many steps without decay, at a phase that is equally likely anywhere
    within a step, and the jump lands at the next phi. ``T eta lam = ln(exit / landing) / 2``.
    """
    landing, periods = np.full(n_samples, 0.5), []
    phases = np.random.default_rng(0).random((6, n_samples))
    for phase in phases:
        leave = np.array([isotropic_map.exit_reduced_lr(phi) for phi in landing])
        periods.append(np.log(leave / landing) / 2)
        landing = _jump(leave, phase)
    return np.concatenate(periods[2:])


def _jump(phi: FloatArray, phase: FloatArray) -> FloatArray:
    """Where phi lands when the angle grows from smallness, without decay."""
    sine = 1e-7 * (phi - 1) ** phase
    cosine = np.sqrt(1 - sine**2)
    for _ in range(400):
        growth = 1 + (phi * sine) ** 2
        turned = sine * (1 - phi * cosine)
        cosine = (cosine + phi * sine**2) / np.sqrt(growth)
        sine, phi = turned / np.sqrt(growth), phi / growth
    return phi


def entry_exit(study: ToyStudy) -> Finding:
    """Reduced learning rates at which the angle gets small and is as large again."""
    x, entries = 2e-4, np.geomspace(1e-3, 1.9, study.scaled(24))
    q = np.full_like(entries, np.sqrt(1 - ENTRY_ANGLE**2))
    n_steps = int(np.log(14 / entries[0]) / 2 / x)
    records = advance(losses.isotropic(), weights_at(q, entries, np.full_like(q, x)), x, n_steps)
    left = (records.effective_grad_norm[1:] > records.effective_grad_norm[0]).argmax(axis=0) + 1
    exits = _phi(records.weight_norm[left, np.arange(len(left))], x)
    predicted = np.array([isotropic_map.exit_reduced_lr(phi) for phi in entries])
    return finding(
        "entry_exit",
        [
            worst("φ at the exit, Re Li₂ law", exits, predicted, 0.02),
            Claim("φ at the exit for an entry → 0", float(exits[0]), 12.595, 0.02),
        ],
        {
            "entry": ("run", entries, "φ at the entry"),
            "exit": ("run", exits, "φ at the exit"),
            "predicted_exit": ("run", predicted, "Re Li₂(φ_exit) = Re Li₂(φ_entry)"),
        },
    )


def floor(study: ToyStudy) -> Finding:
    """Period with a residual gradient noise of e^-F, against ``sqrt(2F / (eta lam))``."""
    depth, load = np.meshgrid(FLOOR_DEPTH, FLOOR_LOAD, indexing="ij")
    rates = load / depth
    predicted = np.sqrt(2 * depth / rates)
    settings = zip(depth.flat, rates.flat, predicted.flat, strict=True)
    measured = np.array([_floored(*one, study) for one in settings]).reshape(depth.shape)
    holds = (depth >= 20) & (load >= 0.03) & (load <= 0.1)
    stated = "period with floor e^-F, F ≥ 20, 0.03 ≤ Fηλ ≤ 0.1"
    return finding(
        "floor",
        [worst(stated, measured[holds], predicted[holds], 0.07, "steps")],
        {
            "depths": ("depth load", depth, "depth F of the floor"),
            "intrinsic_lr": ("depth load", rates, LR_AXIS),
            "period": ("depth load", measured, VARIABLES["period"].long_name),
            "predicted_period": ("depth load", predicted, "√(2F/ηλ)"),
        },
    )


def _floored(depth: float, intrinsic_lr: float, period: float, study: ToyStudy) -> float:
    """Mean period of runs whose angle noise keeps from falling far below e^-F."""
    n = study.scaled(16)
    start = weights_at(np.full(n, 0.9), np.full(n, 0.5), np.full(n, intrinsic_lr))
    n_steps = int((4 + 1.5 * study.cycles) * period)
    dynamics = Dynamics(noise=float(np.exp(-depth)))
    records = advance(losses.isotropic(), start, intrinsic_lr, n_steps, dynamics=dynamics)
    drop = min(0.1, 0.25 * float(np.sqrt(8 * depth * intrinsic_lr)))
    jumps = [find_jumps(-2 * np.log(norm), min_drop=drop) for norm in records.weight_norm.T]
    return float(np.mean(np.concatenate([np.diff(found.onsets[2:]) for found in jumps])))
