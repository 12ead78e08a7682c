"""Endless skies from a trained SGAN."""
