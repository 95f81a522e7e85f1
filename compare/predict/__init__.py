"""What theory says of a setting, a run or a study, and how far off it is.

closed_forms            equilibrium, rotation and time scale of an optimizer
from_study              a setting, by what a study has calibrated
calibrated              the runs of a study, by calibrations that did not see them
outlook                 what will happen to a run, drawn from what is known of its network
next_jump               when the next jump of a recorded run comes
optimizer_equilibrium   where the norm of a recorded run settles
sphere_equilibrium      the equilibrium, from gradients at a fixed norm
first_jump              the first jump, from laws without jumps
from_sphere             periods, from runs at a fixed norm
errors                  predicted against measured
scores                  numbers of a whole study
"""
