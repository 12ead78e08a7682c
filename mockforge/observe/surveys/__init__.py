"""Surveys as data: pixel scale, curves, PSF, noise, depth and gain per band, each number with its source."""
