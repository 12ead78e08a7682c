"""Spectrographs, emission lines and the night sky."""
