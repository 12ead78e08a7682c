"""The parametric sky: galaxies and stars whose every parameter is known, painted in any window."""
