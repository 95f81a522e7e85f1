"""The laws of a network: what is known of it before and after some of its runs were seen.

regularised          laws in ln(eta lam) with a Gaussian prior, several quantities together
evidence             what measured cycles say of them
network_size         how large a network is for its data
population           networks as draws from a distribution, which the known ones tell
priors               what networks have in common, learnt from other networks
known_networks.json  what long runs said of those
"""
