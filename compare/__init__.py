"""Theory and networks side by side: observables, checks, calibration, report, command line."""
