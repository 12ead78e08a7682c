"""Stars of a field and the PSF they show: which sources are stars, their stamps, the fit, the wings."""
