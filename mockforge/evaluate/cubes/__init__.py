"""Cubes of turning disks, fitted back: published fitters and our own against the truth."""
