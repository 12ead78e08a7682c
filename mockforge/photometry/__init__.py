"""From spectra to fluxes: bands, cosmology, hydrogen, K-corrections."""
