"""Kernels that are written by hand, and what generated ones share with them.

rayleigh       the Rayleigh quotient of many weights
vector_lanes   random numbers, exponentials and exponents, for vector instructions
kernel_cache   kernels as files, so that Numba can keep what it compiled
"""
