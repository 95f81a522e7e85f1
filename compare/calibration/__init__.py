"""Models of a cycle, fitted to the calibration runs of a study and to nothing else.

held_out          which runs are fitted to, which predicted, and the wall between
observed_cycles   complete cycles of measured runs
calibrate         all models, and refits to resampled seeds
kick_fit          laws of the kick model
hazard_fit        the hazard process
parameter_table   the parameters with their errors
"""
