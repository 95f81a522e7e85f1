"""A slow, expensive run forecast from fast, cheap ones of the same network.

planned_run    the run that is to be forecast
pilots         which cheap runs tell most about it
forecast       what they say of it, in numbers and as a fan of paths
fan            effective learning rate and norm of the planned run, step by step
advice         what would avoid the first jump
caution        what it cannot know
run_forecast   pilots, forecast, file and page
"""
