"""What does happen: data, models and training of real networks (PyTorch)."""
