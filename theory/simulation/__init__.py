"""SGD with weight decay on toy losses: many trajectories at once.

simulate           a toy loss by its name over a grid, in one call
grid               all combinations of rates, decays and seeds as one Dataset
write_file         the same into a file, block by block
toy_ensemble       an ensemble of trajectories: chooses and calls a kernel
threads            a kernel's work shared among threads
code_generation/   from a loss to the source of its kernel
kernels/           kernels written by hand, helpers of all, and their cache
"""
