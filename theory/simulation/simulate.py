"""A toy loss by its name, over a grid of settings, in one call."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from theory import validate
from theory.simulation import grid
from theory.simulation.grid import Grid
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses.by_name import named_loss


def simulate(
    loss: str,
    learning_rate: float | Sequence[float],
    weight_decay: float | Sequence[float],
    *,
    n_steps: int = 10_000,
    seeds: int = 1,
    record_every: int = 1,
    rho0: float = 1.0,
    schedule: str = "constant",
    momentum: float = 0.0,
    noise: float = 0.0,
    sphere: bool = False,
) -> xr.Dataset:
    """Simulate SGD with weight decay on a toy loss, for every combination of settings and seeds.

        >>> from sawtooth import simulate
        >>> toy = simulate("isotropic", [0.1, 0.2], 0.01, n_steps=1000, record_every=10)
        >>> dict(toy["weight_norm"].sizes)
        {'run': 2, 'step': 100}

    Source: docs/theory.md, section 3; the first call of a loss compiles its kernel (1 to 2 s).

    Args:
        loss: ``rayleigh[:a1,a2,...]``, ``multi-block[:a1,...]``, ``isotropic[:d]``,
            ``logistic[:scale]`` or a formula such as ``"x**2/(x**2+y**2)"``, which must be
            scale-invariant.
        learning_rate: eta, one or several; effective ones on the sphere.
        weight_decay: lam, one or several, each with ``eta lam < 1``.
        n_steps: optimizer steps.
        seeds: number of initial directions.
        record_every: steps between records.
        rho0: initial weight norm.
        schedule: one of ``theory.laws.schedules.SCHEDULES``; see ``Grid``.
        momentum: heavy-ball coefficient.
        noise: standard deviation of the effective gradient per tangent direction.
        sphere: keep the norm at 1.

    Returns:
        A Dataset of the schema on (``run``, ``step``): ``weight_norm``, ``effective_lr``,
        ``effective_grad_norm`` and ``train_loss``.

    Raises:
        ValueError: for a bad loss or a setting out of range.
    """
    rates, decays = (
        tuple(np.atleast_1d(np.asarray(values, dtype=float)).tolist())
        for values in (learning_rate, weight_decay)
    )
    asked = Grid(
        learning_rates=rates,
        weight_decays=decays,
        seeds=range(validate.within("seeds", seeds, 1, grid.MOST_STEPS)),
        n_steps=n_steps,
        record_every=record_every,
        initial_norm=rho0,
        schedule=schedule,
        dynamics=Dynamics(momentum, noise, sphere=sphere),
    )
    return grid.simulate(named_loss(loss), asked)
