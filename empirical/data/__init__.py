"""Images and batches.

images         a data set of small images, kept as integers
sources        data sets by name
cifar          CIFAR-10 and CIFAR-100
image_folder   anybody's images, in folders
image_listing  which images a folder holds, and what is passed over
subset         the first images of each class; labels that say nothing
batches        which examples each run sees at each step
augment        random crops and flips
"""
