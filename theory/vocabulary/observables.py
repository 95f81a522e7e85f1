"""What is measured of a whole run, and what the exact laws demand of it."""

from theory.vocabulary.variable import Variable

ROUNDING = (
    "exact in every step; what is left is float32 rounding of weights and gradients, and the ε of "
    "batch norm, which breaks scale invariance a little"
)

OBSERVABLES: dict[str, Variable] = {
    "n_jumps": Variable("jumps"),
    "n_cycles": Variable("complete cycles"),
    "cycle_steps": Variable("steps of all complete cycles together", units="steps"),
    "first_jump": Variable("first jump", units="steps"),
    "period": Variable("mean period", "T", "steps"),
    "period_std": Variable("spread of single periods", units="steps"),
    "period_low": Variable("5 % of single periods are shorter", units="steps"),
    "period_high": Variable("5 % of single periods are longer", units="steps"),
    "period_error": Variable("standard deviation of what the mean period may be", units="steps"),
    "mean_period_low": Variable("5 % chance that the mean period is shorter", units="steps"),
    "mean_period_high": Variable("5 % chance that the mean period is longer", units="steps"),
    "first_jump_low": Variable("5 % of first jumps come earlier", units="steps"),
    "first_jump_high": Variable("5 % of first jumps come later", units="steps"),
    "n_jumps_low": Variable("5 % of runs have fewer jumps"),
    "n_jumps_high": Variable("5 % of runs have more jumps"),
    "pilot_steps": Variable("steps of all pilots together", units="steps"),
    "pilot_intrinsic_lr": Variable("intrinsic learning rates of the pilots", "ηλ"),
    "extrapolation": Variable("nearest ηλ that was seen over that of the run"),
    "effective_lr_before_jump": Variable("effective lr before a jump"),
    "effective_lr_after_jump": Variable("effective lr after a jump"),
    "equilibrium_norm": Variable("equilibrium norm", "ρ*"),
    "settling_steps": Variable("steps to within 1 % of the equilibrium norm", units="steps"),
    "equilibrium_effective_lr": Variable("effective lr at rest", "η/ρ*²"),
    "fixed_effective_lr": Variable("fixed effective lr", "η/ρ²"),
    "regime_border_low": Variable("ηλ below which nothing is at rest"),
    "regime_border_high": Variable("ηλ above which the norm finds a rest"),
    "mean_squared_g": Variable("mean squared effective gradient", "⟨g²⟩"),
    "late_train_loss": Variable("mean loss of the last quarter", units="nats"),
    "late_effective_grad_norm": Variable("mean effective gradient norm of the last quarter"),
    "decay_rate_ratio": Variable(
        "phase-A decay rate over ηλ",
        perfect=1.0,
        low=0.97,
        high=1.03,
        reason="gradients are small in phase A, not zero: 3 % of the decay are left to them",
    ),
    "log_balance_ratio": Variable(
        "growth over decay of the log norm",
        perfect=1.0,
        low=0.97,
        high=1.03,
        reason="exactly 1 only where the norm returns to its start, which a run of whole cycles "
        "does up to the scatter of their onsets",
    ),
    "norm_law_residual": Variable(
        "residual of the norm law", perfect=0.0, low=0.0, high=3e-05, reason=ROUNDING
    ),
    "elr_law_residual": Variable(
        "residual of the effective-lr law", perfect=0.0, low=0.0, high=3e-05, reason=ROUNDING
    ),
    "angle_law_residual": Variable(
        "residual of the angle law",
        perfect=0.0,
        low=0.0,
        high=0.001,
        reason="float32 directions know an angle to 1e-7, and angles below 1e-4 count as that",
    ),
    "jump_agreement": Variable(
        "agreement of the jump criterion",
        perfect=1.0,
        low=0.999,
        high=1.0,
        reason="a step within rounding of the threshold may fall on either side of it",
    ),
    "regime": Variable("regime"),
    "regime_probability": Variable("probability of the regime"),
    "calibrated_on": Variable("runs that the prediction was calibrated on"),
    "stability_before_jump": Variable(
        "effective lr times sharpness before the first jump", "S η/ρ²"
    ),
    "gradient_exponent": Variable("exponent of g(L)"),
    "gradient_coefficient": Variable("g at L = 1"),
    "sharpness_exponent": Variable("exponent of S(L)"),
    "sharpness_coefficient": Variable("S at L = 1"),
    "direction_error": Variable("distance of directions from the twin's", "|u − u′|"),
    "first_direction_error": Variable(
        "distance of directions at the first evaluation", perfect=0.0
    ),
    "parted_step": Variable("twins parted by more than 0.05", units="steps"),
    "cycle_landing": Variable("start of phase A", units="steps"),
    "cycle_turn": Variable("start of phase B", units="steps"),
    "cycle_onset": Variable("start of phase C", units="steps"),
    "phase_a_share": Variable("share of phase A"),
    "phase_b_share": Variable("share of phase B"),
    "phase_c_share": Variable("share of phase C"),
    "minimum_step": Variable("step of the minimum", units="steps"),
    "minimum_train_loss": Variable("training loss at the minimum", units="nats"),
    "minimum_test_error": Variable("test error at the minimum"),
    "successive_cosine": Variable("cosine of successive minima"),
    "independent_cosine": Variable("cosine of minima of independent runs"),
    "successive_disagreement": Variable("disagreement of successive minima"),
    "independent_disagreement": Variable("disagreement of minima of independent runs"),
    "successive_ensemble_error": Variable("test error of the first minima of a run together"),
    "first_ensemble_error": Variable("test error of first minima of independent runs together"),
    "last_ensemble_error": Variable("test error of last minima of independent runs together"),
    "last_minimum_error": Variable("test error of the last minimum"),
    "best_minimum_error": Variable("test error of the minimum of lowest training loss"),
}
