"""Small catalogues of galaxies on disk, in both formats that are read, and a small `redshift_images`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import galsim
import numpy as np
from astropy.io import fits
from astropy.table import Table

PSF = galsim.Gaussian(fwhm=0.1)


def drawn(profile, side: int, scale: float, **how) -> np.ndarray:
    """A galsim profile as float64 pixels, its centre on the middle of the stamp."""
    return profile.drawImage(nx=side, ny=side, scale=scale, dtype=float, **how).array


def galaxy(i: int) -> galsim.GSObject:
    """A round exponential of unit flux, a little larger for each number."""
    return galsim.Exponential(half_light_radius=0.25 + 0.02 * i)


def write_real(folder: Path, redshifts, zeropoint: float = 25.94, flux_njy: float = 5000.0) -> Path:
    """A RealGalaxy catalogue of noiseless exponentials in F814W, 0.03 arcsec; its path."""
    n = len(redshifts)
    scale = flux_njy * 10 ** (-0.4 * (31.4 - zeropoint))
    images = [fits.ImageHDU(drawn(galsim.Convolve(galaxy(i), PSF) * scale, 121, 0.03)) for i in range(n)]
    psfs = [fits.ImageHDU(3.0 * drawn(PSF, 41, 0.03)) for _ in range(n)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(folder / "images.fits")
    fits.HDUList([fits.PrimaryHDU(), *psfs]).writeto(folder / "psfs.fits")
    names = {"GAL_FILENAME": ["images.fits"] * n, "PSF_FILENAME": ["psfs.fits"] * n, "BAND": ["F814W"] * n}
    number = {"IDENT": np.arange(n), "GAL_HDU": 1 + np.arange(n), "PSF_HDU": 1 + np.arange(n)}
    Table({**number, **names, "PIXEL_SCALE": np.full(n, 0.03)}).write(folder / "real.fits")
    Table({"IDENT": np.arange(n), "ZPHOT": np.asarray(redshifts)}).write(folder / "real_fits.fits")
    return folder / "real.fits"


def write_files(folder: Path, images, bands, redshifts, *, scale=0.05, noise=0.0, **columns) -> Path:
    """One FITS of nJy per galaxy, its bands in extensions, and an ECSV catalogue; its path."""
    rng = np.random.default_rng(3)
    names = []
    for i, image in enumerate(images):
        units: list = [fits.PrimaryHDU()]
        for band, plane in zip(bands, image, strict=True):
            unit = fits.ImageHDU((plane + rng.normal(0, noise, plane.shape)).astype("f4"), name=band)
            unit.header["BUNIT"], unit.header["PIXSCALE"] = "nJy", scale
            units.append(unit)
        fits.HDUList(units).writeto(folder / f"galaxy{i}.fits")
        names.append(f"galaxy{i}.fits")
    Table({"file": names, "z": np.asarray(redshifts), **columns}).write(folder / "galaxies.ecsv")
    return folder / "galaxies.ecsv"


def small(galaxies: dict[str, Any], **keys) -> dict[str, Any]:
    """Settings of a small `redshift_images` stage, as a recipe writes them."""
    return {
        "galaxies": galaxies,
        "bands": ["F814W", "F160W"],
        "stamp": 61,
        "z_out": 1.5,
        "jitter": 0,
        "spectra": {"templates": {"steps": 1}},
        "psf_out": {"gaussian": {"fwhm_arcsec": 0.18}},
        **keys,
    }
