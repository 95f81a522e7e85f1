"""Models of a period of training, from one destabilisation to the next.

kick_model           a relaxation oscillator whose parameters are calibrated
kick_trajectories    trajectories drawn from it
hazard_model         jumps that come at a hazard rising with the effective learning rate
burst_hazard         when gradients burst at a fixed norm, and the onsets that follow
burst_analogs        runs with decay, drawn from what followed such states on the sphere
next_jump            when the next jump of a run comes
log_line             a line in the logarithm of the intrinsic learning rate
oscillator           an oscillator without fitted numbers, for toy losses
oscillator_kernel    its loop, compiled
unstable_direction   the laws of gradient and curvature that it needs
"""
