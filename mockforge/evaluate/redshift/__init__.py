"""How well a network predicts galaxies at another redshift."""
