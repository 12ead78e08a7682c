"""Labels: finding and separating the objects of an image, and the catalogue that describes them."""
