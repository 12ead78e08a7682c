"""Galaxies one at a time, each in the middle of a stamp: of a learned sky, or of a network of its own."""
