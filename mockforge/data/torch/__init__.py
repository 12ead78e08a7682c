"""A finished dataset in PyTorch."""
