"""The instrument of a learned sky: PSF with its wings, noise by place, photons, saturation."""
