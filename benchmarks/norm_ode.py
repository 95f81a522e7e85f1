"""The norm ODE side by side: closed forms, our Dormand-Prince, SciPy, and diffrax where installed.

Every method solves the same problem to the same tolerance, 201 outputs at rtol 1e-8. Rounds
alternate between the methods, so that a slow moment of the machine hits all of them; the table
gives medians and, because absolute times drift, the ratio to the fastest of ours within the run.

Run: python benchmarks/norm_ode.py
"""

import importlib.util

import numba
import numpy as np
from numba import njit
from scipy.integrate import solve_ivp
from scoreboard import show
from timing import alternate

from theory.norm_ode import closed_form as norm_ode
from theory.norm_ode import norm_ensemble

TIMES = np.linspace(0.0, 4000.0, 201)
LR, WD, G, RTOL = 0.1, 0.01, 2.0, 1e-8
N_RUNS = 1000
NORMS = np.linspace(1.0, 5.0, N_RUNS)
N_ROUNDS = 15


@njit
def constant(step, norm):
    return 2.0


@njit
def tide(step):
    return 1.0 + np.sin(step / 50.0) ** 2


@njit
def tide_and_norm(step, norm):
    return 1.0 + np.sin(step / 50.0) ** 2


@njit
def wave(step, norm):
    return 1.0 + np.sin(step / 50.0) ** 2 + 0.1 * norm


def closed_form(norms):
    return norm_ode.norm_at_constant_gradient(TIMES, norms[:, None], G, LR, WD)


def ours(law):
    def solve(norms):
        return norm_ensemble.norm_ensemble(
            TIMES, norms, law, learning_rate=LR, weight_decay=WD, tolerance=RTOL
        ).weight_norm

    return solve


def scipy(law, method):
    def slope(step, y):
        return 2 * (LR * law(step, y[0] ** 0.25)) ** 2 - 4 * LR * WD * y

    def solve(norms):
        span = (TIMES[0], TIMES[-1])
        return np.array(
            [
                solve_ivp(
                    slope, span, [norm**4], method=method, t_eval=TIMES, rtol=RTOL, atol=1e-20
                ).y[0]
                ** 0.25
                for norm in norms
            ]
        )

    return solve


def diffrax(law_name):
    """Ensemble of diffrax's Dopri5 under jit and vmap, in float64."""
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")  # where the others run
    laws = {
        "constant": lambda step, norm: 2.0,
        "tide": lambda step, norm: 1.0 + jnp.sin(step / 50.0) ** 2,
        "wave": lambda step, norm: 1.0 + jnp.sin(step / 50.0) ** 2 + 0.1 * norm,
    }

    def slope(step, y, _):
        return 2 * (LR * laws[law_name](step, y**0.25)) ** 2 - 4 * LR * WD * y

    @jax.jit
    @jax.vmap
    def solve(norm):
        solution = dfx.diffeqsolve(
            dfx.ODETerm(slope),
            dfx.Dopri5(),
            TIMES[0],
            TIMES[-1],
            None,
            norm**4,
            saveat=dfx.SaveAt(ts=TIMES),
            stepsize_controller=dfx.PIDController(rtol=RTOL, atol=1e-20),
            max_steps=100_000,
        )
        return solution.ys**0.25

    return lambda norms: np.asarray(solve(norms))


def measure(methods):
    """Median time of each method in µs per run, taken in turn."""
    seconds = alternate(
        {
            name: lambda solve=solve, n_runs=n_runs: solve(NORMS[:n_runs])
            for name, (solve, n_runs) in methods.items()
        },
        rounds=N_ROUNDS,
    )
    return {name: 1e6 * seconds[name] / n_runs for name, (_, n_runs) in methods.items()}


def report(title, methods, reference):
    """Print times and errors of one law; return ours over diffrax, or why there is none."""
    times = measure(methods)
    ours_best = min(times[name] for name in methods if name in OURS)
    print(f"\n{title}\n{'':24}{'µs a run':>12}{'ratio':>10}{'largest error':>16}")
    for name, (solve, n_runs) in methods.items():
        norms = NORMS[:n_runs]
        error = np.abs(solve(norms) / reference(norms) - 1).max()
        print(f"{name:24}{times[name]:12.2f}{times[name] / ours_best:10.2f}{error:16.1e}")
    return ours_best / times[DIFFRAX] if DIFFRAX in times else "diffrax is not installed"


DIFFRAX, STEPS, QUADRATURE = "diffrax Dopri5 (vmap)", "Dormand-Prince (ours)", "quadrature (ours)"
OURS = ("closed form", QUADRATURE, STEPS)


def methods_for(law, name):
    methods = {
        STEPS: (ours(law), N_RUNS),
        "SciPy RK45": (scipy(law.py_func, "RK45"), 2),
        "SciPy LSODA": (scipy(law.py_func, "LSODA"), 2),
    }
    if importlib.util.find_spec("diffrax"):
        methods[DIFFRAX] = (diffrax(name), N_RUNS)
    return methods


def precise(law):
    def solve(norms):
        return norm_ensemble.norm_ensemble(
            TIMES, norms, law, learning_rate=LR, weight_decay=WD, tolerance=1e-13
        ).weight_norm

    return solve


def rows():
    """Ours over diffrax for each law, as soon as it is measured."""
    cores = numba.get_num_threads()
    numba.set_num_threads(1)
    print(
        f"norm ODE: {TIMES.size} outputs, rtol {RTOL:g}, one thread, medians of {N_ROUNDS} rounds"
    )
    methods = {"closed form": (closed_form, N_RUNS)} | methods_for(constant, "constant")
    ratio = report("constant gradient", methods, closed_form)
    yield "norm ODE, constant g: ours over diffrax", ratio
    methods = {QUADRATURE: (ours(tide), N_RUNS)} | methods_for(tide_and_norm, "tide")
    ratio = report("g = 1 + sin(t/50)^2", methods, precise(tide_and_norm))
    yield "norm ODE, g(t): ours over diffrax", ratio
    ratio = report("g = 1 + sin(t/50)^2 + rho/10", methods_for(wave, "wave"), precise(wave))
    yield "norm ODE, g(t, rho): ours over diffrax", ratio
    numba.set_num_threads(cores)


if __name__ == "__main__":
    show(rows())
