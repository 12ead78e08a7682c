"""The published SGAN (`smith2019`), whose latent is a lattice: its network, training and endless skies."""
