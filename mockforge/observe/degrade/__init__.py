"""One telescope's image as another would see it."""
