"""Minima of successive periods.

successive   how good each is, and how alike two are
ensembles    what they are worth together
over_runs    means over the runs of a setting
"""
