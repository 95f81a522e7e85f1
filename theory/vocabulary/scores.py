"""What is said of a whole study."""

from theory.vocabulary.variable import Variable

SCORES: dict[str, Variable] = {
    "n_runs": Variable("runs"),
    "total_steps": Variable("steps in all"),
    "n_periodic": Variable("periodic runs"),
    "largest_residual": Variable("largest residual of the norm law in any step", perfect=0.0),
    "share_as_expected": Variable(
        "runs in the regime that the study expects", units="%", perfect=100.0
    ),
    "n_held_out": Variable("held-out periodic settings"),
    "model_error": Variable("error of the predicted mean period, median", units="%", perfect=0.0),
    "largest_model_error": Variable(
        "error of the predicted mean period, largest", units="%", perfect=0.0
    ),
    "baseline_error": Variable(
        "error of the baseline T ηλ = const, median", units="%", perfect=0.0
    ),
    "power_law_error": Variable(
        "error of a power law without theory, median", units="%", perfect=0.0
    ),
    "n_extrapolated": Variable("settings predicted from ten times faster ones"),
    "extrapolation_error": Variable(
        "error of the mean period from ten times faster settings, median", units="%", perfect=0.0
    ),
    "extrapolation_power_law_error": Variable(
        "the same of a power law without theory", units="%", perfect=0.0
    ),
    "extrapolation_baseline_error": Variable("the same of T ηλ = const", units="%", perfect=0.0),
    "uncertainty": Variable("standard error of a measured mean period, median", units="%"),
    "coverage": Variable(
        "single periods inside the predicted 90 % interval", units="%", perfect=90.0
    ),
    "regime_right": Variable("held-out runs in the predicted regime", units="%", perfect=100.0),
}
