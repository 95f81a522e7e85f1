"""Tables of the report.

cells         numbers as text, and what all tables share
laws          exact laws and whether they hold
settings      expectations, twins, sharpness, equilibria
predictions   measured beside predicted
scores        which model predicts what, and how well
phases        shares of the phases of a period
minima        minima of successive periods
pair          two studies side by side
runs          every run in a line
"""
