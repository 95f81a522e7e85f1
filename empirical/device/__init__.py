"""How a device computes.

precision     float32, coarser products, or float64
one_thread    numbers that do not depend on the number of cores
alignment     nor on which runs lie side by side
cuda_graphs   steps recorded once and replayed
machine       what else numbers depend on
"""
