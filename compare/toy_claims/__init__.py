"""Theory against simulations of toy losses, claim by claim.

run_claims   every claim into one file
claim        measured beside predicted
isotropic    claims about the isotropic loss
losses       claims about the others
oscillator   the oscillator against the logistic loss
regime_map   regimes over learning rate and decay
"""
