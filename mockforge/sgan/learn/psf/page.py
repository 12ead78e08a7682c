"""What the run's page shows of the PSF: numbers a band, stars that were not in it, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.field.picture import mosaic
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.curves import COLOURS, Curve, curves
from mockforge.sgan.learn.psf.fit import fit_stars, moved, without
from mockforge.sgan.learn.psf.stage import BandStars, MeasuredPsf, stars_psf
from mockforge.sgan.learn.psf.stamps import StarStamps

RINGS = (0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 15.0)
"""Pixels; edges of the rings in which stars are compared with a PSF that they are not part of."""
_FEWEST = 8
"""Stars of a band, at least, that are parted in two for that."""
_DECADES = 6.0


def psf_facts(psf: PixelPsf, names: tuple[str, ...], measured: MeasuredPsf | None = None) -> dict[str, Any]:
    """Return the numbers of a PSF for the run's page: a table of its bands and, measured on stars, their own.

    The third table is the check: each half of the stars under the PSF of the other half. Light that is
    left over in rings, as a share of the star's flux, median over the stars; and the scatter of the stars'
    widths, which is the change of the PSF over the field.
    """
    rows = []
    for i, name in enumerate(names):
        row: dict[str, Any] = {"band": name, "FWHM, px": float(psf.fwhm_pix[i])}
        if psf.pixel_scale_arcsec:
            row["FWHM, arcsec"] = float(psf.fwhm_pix[i]) * psf.pixel_scale_arcsec
        for radius in (6, 16, 32):
            row[f"light beyond {radius} px, %"] = float(100 * (1 - psf.light_within(float(radius))[i]))
        row["below 0 between pixels, % of the peak"] = _ringing(psf.image[i])
        if measured is not None:
            wings = measured.bands[i].wings
            row |= {"stars": len(measured.bands[i].rows), "seen to, px": wings.radius, "slope": wings.slope}
        rows.append(row)
    facts: dict[str, Any] = {"PSF": rows}
    if measured is None:
        return facts | {"from": "given in the recipe"}
    facts["stars told in band"] = names[measured.stars.band]
    facts["width of stars over the field"] = [
        {"band": name, **_widths(band, measured)} for name, band in zip(names, measured.bands, strict=True)
    ]
    facts["stars under the PSF of other stars: light left over in rings, % of the flux"] = [
        {"band": name, **left_over(band.stamps, name)}
        for name, band in zip(names, measured.bands, strict=True)
        if len(band.rows) >= _FEWEST
    ]
    return facts


def _ringing(image: np.ndarray) -> float:
    """Depth below zero, % of the peak, of a star half a pixel from a pixel's centre.

    A PSF narrower than two pixels is not known between them: its band-limited curve rings.
    """
    star = moved(image[None].astype(np.float64), np.array([0.5]), np.array([0.5]))[0]
    return float(100 * max(-star.min() / star.max(), 0.0))


def _widths(band: BandStars, measured: MeasuredPsf) -> dict[str, float]:
    """Scatter of ln width among all stars and among neighbours, and the error of one."""
    place = np.stack([measured.stars.x, measured.stars.y], axis=1)[band.rows]
    square = ((place[:, None] - place) ** 2).sum(axis=-1) + np.where(np.eye(len(place)), np.inf, 0.0)
    stretch = band.fit.stretch
    near = np.median(np.abs(stretch - stretch[square.argmin(axis=1)])) / np.sqrt(2.0)
    return {
        "scatter, %": float(100 * stretch.std()),
        "scatter of neighbours, %": float(148.26 * near),
        "error, %": float(100 * np.median(band.fit.error)),
    }


def left_over(stamps: StarStamps, name: str) -> dict[str, float]:
    """Return the light of each half of the stars that the PSF of the other leaves, in rings, % of flux."""
    order = np.arange(len(stamps))
    shares = []
    for half in (0, 1):
        other = stamps.rows(order[half::2])
        psf = stars_psf(stamps.rows(order[1 - half :: 2]), name).wings.psf
        shares.append(_left(other, psf))
    middle = np.median(np.concatenate(shares), axis=0)
    edges = [f"{a:g}-{b:g} px" for a, b in zip(RINGS[:-1], RINGS[1:], strict=True)]
    return dict(zip(edges, (float(100 * share) for share in middle), strict=True))


def _left(stamps: StarStamps, psf: np.ndarray) -> np.ndarray:
    """(n, rings) of flux, each star fitted with flux and place, not with width."""
    fit = fit_stars(stamps, psf, None)
    fit = without(fit, np.ones(len(stamps), dtype=bool))
    left = stamps.pixels - fit.flux[:, None, None] * moved(psf[None], fit.dx, fit.dy)
    half = psf.shape[-1] // 2
    y, x = np.indices(psf.shape) - half
    r = np.hypot(y - fit.dy[:, None, None], x - fit.dx[:, None, None])
    out = []
    for low, high in zip(RINGS[:-1], RINGS[1:], strict=True):
        ring = (r >= low) & (r < high)
        used = ring & stamps.used
        mean = (left * used).sum(axis=(1, 2)) / np.maximum(used.sum(axis=(1, 2)), 1)
        out.append(mean * ring.sum(axis=(1, 2)) / fit.flux)
    return np.stack(out, axis=1)


def psf_picture(psf: PixelPsf, side: int = 200) -> np.ndarray:
    """Return each band's PSF, white to black over six decades, above its light curve; uint8 (y, x, 3).

    The curves are log10 of the mean brightness over the middle's against the radius in pixels; grey lines
    are decades and every 10 pixels.
    """
    psf = psf.at_native()
    half = psf.side // 2
    y, x = np.indices((psf.side, psf.side)) - half
    index = np.rint(np.hypot(y, x)).astype(int)
    stamps, profiles = [], []
    for i, band in enumerate(psf.image.astype(np.float64)):
        depth = np.log10(np.maximum(band / band.max(), 10.0 ** -(_DECADES + 1)))
        grey = np.clip(255 * (1 + depth / _DECADES), 0, 255).astype(np.uint8)
        places = np.arange(side) * psf.side // side
        stamps.append(np.repeat(grey[places][:, places, None], 3, axis=2)[::-1])
        mean = np.bincount(index.ravel(), band.ravel()) / np.bincount(index.ravel())
        curve = np.log10(np.maximum(mean[: half + 1] / band.max(), 1e-12))
        profiles.append(Curve(np.arange(half + 1.0), curve, COLOURS[i % len(COLOURS)]))
    width = max(len(stamps) * (side + 4) - 4, side)
    below = curves(profiles, (0.0, float(half)), (-_DECADES - 1, 0.2), (260, width), (10.0, 1.0))
    return np.concatenate([mosaic(stamps, len(stamps), gap=4)[:, :width], below])
