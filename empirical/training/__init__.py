"""Training: all runs of a study together, every step recorded.

recipe               how runs are trained, apart from rate, decay and seed
train                jobs to a Dataset, with checkpoints and clean interruption
surroundings         who may stop training and hears how far it is
ensemble             runs of one recipe as one
parallel_ensembles   ensembles side by side, one for each core
step                 one optimizer step over tensors that stay in place
sgd                  the update, with every scalar that the exact laws need
sgd_kernel           the same on a CPU, in one pass over the weights
evaluation           what is measured every few steps
memory               what training takes on a CPU, how many runs fit on a GPU
checkpoint           all that resuming needs
"""
