"""What is measured of recorded trajectories: one extractor for theory and networks.

recorded            all that can be asked of a recorded Dataset
observables         jumps, periods, regime and equilibrium of each run
laws/               exact laws, why one fails, powers of the loss
phases              phases A, B and C of every period
gradient_valley     where a gradient turns from falling to rising
channels            output channels that turn, jump, stand still or collapse
minima/             minima of successive periods, and ensembles of them
twins               distance between twin runs
edge_of_stability   effective learning rate times sharpness before the first jump
power_law           the power of eta lam that periods follow
over_seeds          all of it, aggregated over seeds
"""
