"""Figures of the toys study.

draw         all of them, from the data of the study
isotropic    fixed point, oscillations, relaxation cycle, residual floor
losses       underflow, blocks, noise, Rayleigh quotient, logistic loss
oscillator   its cycles and its map of regimes
panels       what they share
"""
