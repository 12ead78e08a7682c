"""Field: a multi-band image with its bands, scale, PSF and place; pictures of it; FITS files."""
