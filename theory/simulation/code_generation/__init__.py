"""From a loss's expression to the source of a compiled kernel.

kernel_source   the whole module
step_code       the lines of one step
printer         expressions as Python source
even_forms      coordinates in which a loss is even, which may carry exponents
"""
