"""The population of sources of a training field, corrected by rehearsed fields."""
