"""Exact laws of a step, and what follows from them in closed form.

one_step          norm, effective learning rate and angle after one step of SGD
momentum          the same for a heavy-ball step
equivalent_runs   other learning rates and decays with the same path of directions
jump_bounds       how long a jump can wait, and when it must come
equilibrium       where the norm rests, for each optimizer
random_walk       the walk with decay behind the equilibria of adaptive optimizers
schedules         learning rates that change in time
"""

from theory.laws.equivalent_runs import equivalent_setting, growing_learning_rate
from theory.laws.momentum import (
    long_run_decay,
    momentum_shrink,
    next_radial_update,
    next_reduced_lr_with_momentum,
)
from theory.laws.one_step import (
    angular_update,
    decay_rate,
    effective_lr,
    is_delta_jump,
    jump_constant,
    log_balance_ratio,
    next_reduced_lr,
    next_weight_norm,
    radial_gradient,
    reduced_lr,
    stationary_angle,
)

__all__ = [
    "angular_update",
    "decay_rate",
    "effective_lr",
    "equivalent_setting",
    "growing_learning_rate",
    "is_delta_jump",
    "jump_constant",
    "log_balance_ratio",
    "long_run_decay",
    "momentum_shrink",
    "next_radial_update",
    "next_reduced_lr",
    "next_reduced_lr_with_momentum",
    "next_weight_norm",
    "radial_gradient",
    "reduced_lr",
    "stationary_angle",
]
