"""The card of a dataset, for people and for machines."""
