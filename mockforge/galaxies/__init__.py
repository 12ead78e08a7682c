"""Galaxies: their population, shapes and redshifts, and the pairs and stamps made of them."""
