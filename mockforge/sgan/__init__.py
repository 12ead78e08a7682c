"""Spatial GANs: networks, the instrument, training, and endless skies."""
