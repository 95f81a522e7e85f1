"""Theory and networks side by side: measured, calibrated, predicted, reported.

study/        what is run: from a TOML file to one netCDF file
measure/      jumps, periods, phases, exact laws of recorded trajectories
calibration/  models of a cycle fitted to some runs
predict/      what theory says of the others, and how far off it is
forecast/     a planned run, from cheap pilots
diagnose/     which mechanism makes the loss of a run spike, from its log
toy_claims/   theory against simulations of toy losses
published/    published values beside measured ones
report/       one HTML file
cli/          the command line
"""
