"""Disks that turn, as integral-field cubes: from the mass model's curve to the spectrum of every spaxel."""
