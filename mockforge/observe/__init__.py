"""How the sky is observed: redshift, PSF, noise."""
