"""What is drawn on the sky: profiles, spectra, bandpasses, and the sources made of them."""
