"""The norm ODE by another integrator, which knows nothing of its linearity in rho^4."""

from scipy.integrate import solve_ivp


def norm_with_gradient_law(steps, initial_norm, gradient_law, lr, wd, *, tolerance=1e-8):
    """Weight norm at increasing steps for ``(step, weight_norm) -> g``, by LSODA."""
    start = initial_norm**4

    def slope(step, fourth_power):
        g = gradient_law(step, float(fourth_power[0]) ** 0.25)
        return 2 * (lr * g) ** 2 - 4 * lr * wd * fourth_power

    solution = solve_ivp(
        slope,
        (steps[0], steps[-1]),
        [start],
        method="LSODA",
        t_eval=steps,
        rtol=tolerance,
        atol=tolerance * start * 1e-6,
    )
    assert solution.success, solution.message
    return solution.y[0] ** 0.25
