"""The laws of a network: what is known of it before and after some of its runs were seen.

regularised          laws in ln(eta lam) with a Gaussian prior, several quantities together
evidence             what measured cycles say of them
priors               what networks have in common, learnt from other networks
known_networks.json  what long runs said of those
"""
