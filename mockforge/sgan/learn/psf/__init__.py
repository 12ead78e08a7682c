"""The PSF of a training field, from its stars."""
