"""Disk galaxies, as images and turning."""
