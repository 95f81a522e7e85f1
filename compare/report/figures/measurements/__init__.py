"""Figures of special measurements.

phase_diagram   gradient against effective learning rate
sphere          regimes at a fixed effective learning rate
twins           distance between twin runs
sharpness       gradient and sharpness as functions of the loss
minima          minima of successive periods, and ensembles of them
"""
