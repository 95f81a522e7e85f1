"""Which mechanism makes the loss of a run spike again and again, told from its log.

log            the log as series, from CSV and netCDF files or columns
spikes         where the loss spikes, in units of its own noise
finding        what one mechanism has to say of a run, and the verdict
norm_sawtooth  decay of the norm between spikes, growth at them
epoch          the loss repeats itself once an epoch
period         the period with which it does, where the log tells none
adaptive       Adam: its lagging second moment, and the slingshot
edge           curvature along the gradient hovers at 2/lr
chance         restarts of the learning rate, bad batches, or nothing
diagnose       what follows from all of them
"""
