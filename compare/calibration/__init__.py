"""Models of a cycle, fitted to the calibration runs of a study and to nothing else.

held_out          which runs are fitted to, which predicted, and the wall between
observed_cycles   complete and unfinished cycles of measured runs
laws/             priors from other networks, evidence from these runs, laws from both
calibrate         all models
at_rest           whether the network jumps at all
beginning         the way to the first jump, at this and at other learning rates
kick_fit          the kick model in the middle of the laws
hazard_fit        the hazard process
simple_laws       a constant and a power law, without theory
parameter_table   the numbers of the laws with their uncertainty
"""
