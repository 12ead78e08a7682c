"""How like a real field a painted sky is."""
