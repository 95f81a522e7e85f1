"""The page of bare trajectories, such as a monitor saves.

page       the whole page
headline   what it says first: what to expect of this training
run        one run of the page
channels   its layers and output channels
"""
