"""Toy losses: scale-invariant, written once as SymPy expressions.

losses          Rayleigh quotient, blocks, isotropic, logistic, or a formula
by_name         from the text of the command line to a loss
expression      formulas read safely and proved scale-invariant
closed_forms    loss, gradient and Hessian for NumPy
isotropic_map   the isotropic loss as a map of two numbers
"""
