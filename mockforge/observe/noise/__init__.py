"""Noise: what a detector and a sky add to a noiseless image."""
