"""Composite stellar populations: histories, metallicities, dust and ionised gas."""
