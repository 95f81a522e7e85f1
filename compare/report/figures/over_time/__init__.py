"""Figures over optimizer steps.

trajectories    loss, norm and effective learning rate, theory over network
settings        one run of each setting
close_up        one period with its phases
phase_shading   phases behind a curve
norm_law        the norm for given gradients: recursion, ODE, measured
forecast        a planned run as a fan, its jumps, its pilots
monitored       a run of anybody's training loop
channels        its output channels
"""
