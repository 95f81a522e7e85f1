"""What does happen: real networks, trained and measured (PyTorch).

data/            images on the device, by the name of their source
networks/        architectures, by name or anybody's, for many runs at once
invariance/      which weights of a network are scale-invariant, by measurement
training/        many runs as one, with checkpoints
monitor/         the observer in anybody's training loop
device/          arithmetic, and steps replayed as CUDA graphs
sharpness        top eigenvalue of the Hessian on the sphere
batch_sharpness  curvature of a batch's loss along its gradient
"""
