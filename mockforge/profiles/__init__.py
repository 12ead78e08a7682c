"""Profiles of galaxies on pixels: Sersic, its integral over pixels, its view through a PSF."""
