"""What stands on each kind of page.

study           a study of networks
study_figures   its figures
study_tables    its tables
headline        what it shows, in a sentence
try_it          sliders over learning rate and decay
forecast        a planned run
monitored/      a run of anybody's training loop
pair            two studies side by side
toys            a study of toys
norm_law        the norm for given gradients
"""
