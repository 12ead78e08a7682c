"""Fields and endless skies in a browser and in pictures."""
