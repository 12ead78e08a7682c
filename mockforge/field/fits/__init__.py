"""Reading anyone's FITS images: headers checked, bands found, units turned into nJy."""
