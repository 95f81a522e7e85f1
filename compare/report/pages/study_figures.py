"""The figures of a study of networks: those that its data allow, as SVG by name."""

import numpy as np

from compare.measure.over_seeds import with_period
from compare.published import figure as published
from compare.published.other_sizes import known_on_sphere
from compare.report.figures.measurements import minima, phase_diagram, sharpness, sphere, twins
from compare.report.figures.over_settings import periods, predictions, regime_plane
from compare.report.figures.over_time import close_up, settings, trajectories
from compare.report.saved_study import SavedStudy


def draw(study: SavedStudy) -> dict[str, str]:
    """Draw the figures of a study."""
    networks, comparison, by_setting = study.networks, study.comparison, study.settings
    return {
        **of_controls(study),
        **close_up.draw(networks, comparison, by_setting),
        **predictions.draw(study.calibration, by_setting),
        **minima.draw(comparison),
        **regime_plane.draw(comparison, by_setting),
        **published.draw(by_setting, study.config),
        "trajectories": trajectories.draw(networks, study.theory, comparison, by_setting),
        "phases": phase_diagram.draw(networks, study.theory, by_setting),
        **_periods(study),
    }


def of_controls(study: SavedStudy) -> dict[str, str]:
    """Figures of studies that vary more than rate and decay."""
    networks, comparison, by_setting = study.networks, study.comparison, study.settings
    drawn = {}
    moving = by_setting.sel(setting=np.isnan(by_setting["fixed_effective_lr"].values))
    if (moving["variant"] != "").any():
        drawn["settings"] = settings.draw(networks, moving)
    on_sphere = np.isfinite(comparison["fixed_effective_lr"].values)
    if on_sphere.sum() > 2:
        known = known_on_sphere(study.config)
        runs = {"run": on_sphere}
        drawn["sphere"] = sphere.draw(networks.isel(runs), comparison.isel(runs), known)
    if "direction_error" in comparison and (comparison["direction_error"] > 0).any():
        drawn["twins"] = twins.draw(comparison)
    if "spherical_sharpness" in networks:
        drawn["sharpness"] = sharpness.draw(networks, by_setting)
    return drawn


def _periods(study: SavedStudy) -> dict[str, str]:
    """Periods of settings that differ in rate and decay alone."""
    alike = not (study.settings["variant"] != "").any()
    shown = alike and with_period(study.settings).sizes["setting"]
    return {"periods": periods.draw(study.settings)} if shown else {}
