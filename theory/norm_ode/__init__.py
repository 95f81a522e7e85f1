"""The norm ODE, ``d(rho^4)/dt = -4 eta lam rho^4 + 2 eta^2 g^2``, for gradients that are given.

solve            the norm over time for one call: exact recursion and ODE
gradients        the gradients that it takes: constant, recorded, a law
closed_form      constant g, g sampled in time, and adaptive integration
norm_ensemble    many runs at once, in compiled kernels
dormand_prince   the kernel for a g that depends on the norm
quadrature       the kernels for a g that depends on time alone
"""
