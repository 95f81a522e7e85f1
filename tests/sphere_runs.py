"""A planted process of bursts, at a fixed norm and with decay."""

import numpy as np

from theory import laws
from theory.cycle_models.burst_analogs import SphereRun
from theory.laws import schedules

SCALE, EXPONENT = 100.0, 3.0  # hazard 100 elr^3 / tau
QUIET_G, PEAK, FALL, RISES = 0.05, 25.0, 0.8, 3


class Planted:
    """Gradients that burst at a known hazard, for a few steps rising, then falling."""

    def __init__(self, n_chains, rng):
        self.rng, self.left = rng, np.zeros(n_chains, dtype=int)
        self.g, self.tau = np.full(n_chains, QUIET_G), np.full(n_chains, 1e-3)

    def step(self, elr):
        """Next g of every chain at its effective learning rate."""
        hazard = SCALE * elr**EXPONENT / self.tau
        begins = (self.left == 0) & (self.g < 1) & (self.rng.random(len(elr)) < hazard)
        self.left[begins] = RISES
        rising = self.left > 0
        noise = np.exp(0.1 * self.rng.standard_normal(len(elr)))
        falling = np.maximum(self.g * FALL, QUIET_G)
        self.g = np.where(rising, PEAK / 2.0 ** (self.left - 1), falling) * noise
        self.left[rising] -= 1
        self.tau = np.where(self.g * elr > 0.22, 1e-3, self.tau + elr)
        return self.g


def planted_runs(n_runs, n_steps):
    """Runs on the sphere at probing effective learning rates."""
    rng = np.random.default_rng(5)
    tables = [6e-3 * schedules.probing_factors(n_steps + k)[:n_steps] for k in range(n_runs)]
    elr, chains = np.stack(tables, axis=1), Planted(n_runs, rng)
    log_g = np.log([chains.step(now) for now in elr])
    return [SphereRun(np.log(elr[:, i]), log_g[:, i]) for i in range(n_runs)]


def planted_with_decay(intrinsic_lr, n_chains, n_steps, log_elr=-4.5):
    """``ln(elr)`` of runs with decay, (n_steps, n_chains), by the exact norm law."""
    rate, chains = laws.decay_rate(intrinsic_lr), Planted(n_chains, np.random.default_rng(6))
    u, found = np.full(n_chains, log_elr), []
    for _ in range(n_steps):
        found.append(u)
        g = chains.step(np.exp(u))
        u = u + rate - np.log1p((np.exp(u + rate / 2) * g) ** 2)
    return np.array(found)
