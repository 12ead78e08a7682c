"""The GPU training core: one loop for every network of the project."""
