"""Networks of which many runs are trained as one.

by_name         architectures by name, or a user's factory
architectures   MLP, ConvNet and ResNet-18 with and without their scale-invariant form
mlp             MLPs, scale-invariant or with all weights trained
batched_mlp     all runs of an MLP in batched matrix products
any_module      any torch module, its code shared by all runs
weight_layout   named tensors of many runs inside one flat tensor
cuda_streams    independent work side by side on a GPU
"""
