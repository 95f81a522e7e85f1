"""The smallest sawtooth: a loss of two weights, its jumps, and a figure of its norm."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import sawtooth

toy = sawtooth.simulate("isotropic", 0.1, [0.02, 0.1], n_steps=3000)
found = sawtooth.observe(toy)
for run in toy["run"].values:
    one = found.sel(run=run)
    period = f"period {float(one['period']):.0f} steps" if one["n_cycles"] >= 3 else "no period yet"
    print(f"{run}: {int(one['n_jumps'])} jumps, {period}")

toy["weight_norm"].plot(x="step", hue="run", yscale="log")
plt.savefig("toy.png")
