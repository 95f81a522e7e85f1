"""How a device computes.

precision     float32, coarser products, or float64
cuda_graphs   steps recorded once and replayed
"""
