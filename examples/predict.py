"""Where will the weight norm settle, and when will training destabilise?"""

import sawtooth

rest = sawtooth.predict(0.01, 1e-3, grad_norm=50, rho0=12.65)
print(f"norm at rest {rest['equilibrium_norm']:.2f}, there in {rest['settling_steps']:.0f} steps")

adamw = sawtooth.equilibrium(1e-3, 0.1, optimizer="adamw", n_weights=1_000_000)
print(f"AdamW turns the weights by {adamw.angular_update:.4f} rad a step")
