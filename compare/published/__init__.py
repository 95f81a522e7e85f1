"""Published values, and how a study stands beside them.

values        what was read off the figures, and which settings match
figure        published, measured and predicted
tables        the same in numbers
other_sizes   what should not depend on the size of a network
"""
