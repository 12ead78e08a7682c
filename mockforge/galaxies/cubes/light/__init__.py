"""How a disk becomes a cube: lines of sight or rings, channels, the PSF."""
