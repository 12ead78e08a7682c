"""How far an image lies from the sky of a training set."""
