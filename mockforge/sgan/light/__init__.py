"""The light of sources: Sersic profiles as Gaussians, what is learned of their shapes, and their painter."""
