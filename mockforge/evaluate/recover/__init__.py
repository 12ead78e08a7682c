"""How well a network recovers the sharp image."""
