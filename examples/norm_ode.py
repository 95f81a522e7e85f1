"""The norm ODE beside the exact discrete recursion, for gradients of constant size."""

import sawtooth

found = sawtooth.solve_norm(0.1, [0.01, 0.1], grad_norm=2.0, rho0=5.0, n_steps=3000)
for run in found["run"].values:
    one = found.sel(run=run)
    last = float(one["weight_norm"][-1])
    print(f"{run}: norm {last:.4f} after 3000 steps, rest at {float(one['equilibrium_norm']):.4f}")
