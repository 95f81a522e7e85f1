"""Which weights of a network are scale-invariant, found by measurement.

search         evidence for each parameter
network_copy   a private copy whose weights are scaled and outputs compared
isolation      random numbers, hooks and attributes, put back as they were
inputs         nested inputs, copied and cut
joint_groups   tensors that must be scaled together
"""
