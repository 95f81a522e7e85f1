"""Figures of the report, as SVG for light and dark pages.

style           what all figures share
over_time/      trajectories, settings, a period in close-up, a monitored run
over_settings/  periods, predictions, regimes against learning rate and decay
measurements/   sphere, twins, sharpness, minima, phase diagram
toys/           simulations of toy losses
"""
