"""Pictures of real galaxies: from files, from galsim's catalogues, from a painted sky."""
