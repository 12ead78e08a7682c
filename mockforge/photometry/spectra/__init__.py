"""Which spectra galaxies have, and where they are read from."""
