"""Small FITS files with what real ones hold: four Gaussian sources on white noise, a header, extensions."""

from pathlib import Path

import numpy as np
from astropy.io import fits

PLACES = ((40, 40), (96, 60), (60, 100), (100, 104))


def scene(n: int = 128, seed: int = 1, flux: float = 2000.0) -> np.ndarray:
    """(y, x) float32: sources of sigma 2 pixels and of this flux on noise of rms 1."""
    y, x = np.indices((n, n))
    image = np.random.default_rng(seed).normal(0, 1, (n, n))
    for px, py in PLACES:
        image += flux / (8 * np.pi) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8)
    return image.astype(np.float32)


def header(
    unit: str | None = None,
    scale: float = 0.2,
    ra: float = 150.0,
    dec: float = 2.0,
    ctype: tuple[str, str] = ("RA---TAN", "DEC--TAN"),
    **cards: object,
) -> fits.Header:
    """A WCS with a CD matrix, BUNIT, and further cards; a card of None is left out."""
    step = scale / 3600
    known = {"CTYPE1": ctype[0], "CTYPE2": ctype[1], "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 64.5,
             "CRPIX2": 64.5, "CD1_1": -step, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": step,
             "BUNIT": unit, **cards}  # fmt: skip
    out = fits.Header()
    for key, value in known.items():
        if value is not None:
            out[key] = value
    return out


def image(path: Path, data: np.ndarray | None = None, head: fits.Header | None = None) -> Path:
    """One image in the primary."""
    fits.PrimaryHDU(scene() if data is None else data, head).writeto(path)
    return path


def extensions(path: Path, *units: tuple, **primary: object) -> Path:  # type: ignore[type-arg]
    """A primary of cards alone, then (name, data, header or None, EXTVER or None)."""
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update(primary)
    for name, data, head, version in units:
        unit = fits.ImageHDU(data, head, name=name)
        if version:
            unit.ver = version
        hdus.append(unit)
    fits.HDUList(hdus).writeto(path)
    return path
