"""The tables of a study of networks: those that its data allow."""

import xarray as xr

from compare.published import other_sizes
from compare.published import tables as published
from compare.report.saved_study import SavedStudy
from compare.report.tables import laws, minima, phases, predictions, scores, settings
from compare.report.tables.cells import Table


def of_levels(study: SavedStudy) -> list[Table]:
    """Expectations, and the three levels of theory."""
    by_setting, comparison = study.settings, study.comparison
    predicted = "predicted_period" in by_setting
    level_1 = ("decay_rate_ratio",)
    return _shown(
        *_controls(by_setting),
        laws.law_table(comparison, laws.LAWS, "Level 0 — exact laws, no free parameter"),
        laws.law_table(comparison, level_1, "Level 1 — decay where gradients are small"),
        settings.equilibrium_table(by_setting),
        *(
            predictions.prediction_table(by_setting, name)
            for name in predictions.PREDICTIONS
            if predicted
        ),
    )


def of_scores(study: SavedStudy) -> list[Table]:
    """How well held-out settings were predicted."""
    by_setting, made = study.settings, []
    if "extrapolated_period" in by_setting:
        made.append(scores.extrapolation_table(by_setting))
    if "process_period" in by_setting and scores.held_out(by_setting).any():
        made += [scores.winner_table(by_setting), scores.score_table(by_setting)]
        made.append(scores.interval_table(by_setting, study.comparison))
    if "sphere_equilibrium_norm" in by_setting:
        made.append(scores.equilibrium_table(by_setting))
    if "sphere_first_jump" in by_setting:
        made.append(scores.first_jump_table(by_setting))
    return _shown(*made)


def of_further_measurements(study: SavedStudy) -> list[Table]:
    """Exponents, published values, minima and phases."""
    networks, comparison, by_setting = study.networks, study.comparison, study.settings
    return _shown(
        predictions.exponent_table(by_setting),
        *published.tables(comparison, by_setting, study.config),
        *other_sizes.tables(networks, comparison, by_setting, study.config),
        *minima.tables(comparison),
        *([phases.phase_table(by_setting)] if "phase_a_share" in by_setting else []),
    )


def _controls(by_setting: xr.Dataset) -> list[Table]:
    """Tables of what only some studies have: expectations, twins, sharpness."""
    made = []
    if (by_setting["expected_regime"] != "").any():
        made.append(settings.expectation_table(by_setting))
    if "parted_step" in by_setting:
        made.append(settings.twin_table(by_setting))
    if "stability_before_jump" in by_setting:
        made += [settings.stability_table(by_setting), settings.law_fit_table(by_setting)]
    return made


def _shown(*made: Table) -> list[Table]:
    """Those that hold something."""
    return [table for table in made if table.rows]
