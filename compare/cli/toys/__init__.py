"""``sawtooth simulate``: dynamics without a network.

simulate   toy losses over a grid of settings
norm       the norm for given gradients
"""
