"""The fit of a training field: every source in the light of all others."""
