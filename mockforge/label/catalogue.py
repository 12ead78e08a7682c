"""The catalogue: what is measured of every object, and which rows belong to a tile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mockforge.field.fits.check import quiet
from mockforge.field.fits.wcs import sky_of_pixels
from mockforge.label.apertures import Apertures, Extraction
from mockforge.label.detection import Detection

DESCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "sample": ("", "number of the sample"),
    "label": ("", "value of the object's pixels in the instance mask"),
    "x": ("pix", "flux-weighted centre, first pixel = 0"),
    "y": ("pix", "flux-weighted centre, first pixel = 0"),
    "ra": ("deg", "right ascension of the centre (ICRS), NaN without WCS"),
    "dec": ("deg", "declination of the centre (ICRS), NaN without WCS"),
    "bbox_x0": ("pix", "first column with a pixel of the object"),
    "bbox_y0": ("pix", "first row with a pixel of the object"),
    "bbox_x1": ("pix", "one after the last column"),
    "bbox_y1": ("pix", "one after the last row"),
    "area": ("pix2", "pixels of the object"),
    "flux": ("flux", "flux in the Kron aperture, neighbours masked"),
    "flux_err": ("flux", "error of the Kron flux, from the sky noise"),
    "flux_iso": ("flux", "flux in the object's pixels"),
    "flux_iso_err": ("flux", "error of the flux in the object's pixels, from the sky noise"),
    "flux_aper": ("flux", "flux in the circular aperture"),
    "flux_aper_err": ("flux", "error of the aperture flux, from the sky noise"),
    "mag": ("mag", "AB magnitude of the Kron flux, NaN where that is not positive"),
    "true_flux_iso": ("flux", "noiseless flux in the object's pixels"),
    "a": ("pix", "rms length of the major axis on the detection image"),
    "b": ("pix", "rms length of the minor axis"),
    "theta": ("deg", "position angle of the major axis from +x towards +y"),
    "theta_sky": ("deg", "position angle of the major axis, east of north, NaN without WCS"),
    "flux_radius": ("pix", "radius of half the Kron flux on the detection image"),
    "kron_radius": ("", "Kron radius in units of a and b"),
    "snr": ("", "isophotal flux over its error on the detection image"),
    "flags": ("", "sep's flags: 1 blended, 2 truncated, 8 singular, 16 aperture truncated, 32 masked pixels"),
    "blended": ("", "was separated from a neighbour"),
    "truncated": ("", "touches the edge of the image it was found on, or a masked pixel"),
    "cut": ("", "has pixels outside the tile"),
}
"""Unit and meaning of the columns; per-band ones without `_<band>`. "flux" is the image's unit."""


def measure(
    found: Extraction,
    images: Iterable[np.ndarray],
    noises: Sequence[np.ndarray],
    bands: Sequence[str],
    *,
    aperture_pixels: float,
    zeropoint_ab: float | None,
    truth: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the catalogue columns of the objects found on a detection image.

    `images` and `noises` of each of `bands` are (y, x), the background subtracted; `truth` (band, y, x)
    noiseless. Errors are those of the sky noise taken as white; Poisson noise of the object is not in them.
    """
    objects, n = found.objects, len(found.objects)
    apertures = Apertures(found)
    out: dict[str, np.ndarray] = {
        "label": np.arange(1, n + 1, dtype=np.int32),
        "x": objects["x"].astype(np.float64),
        "y": objects["y"].astype(np.float64),
        "ra": np.full(n, math.nan),
        "dec": np.full(n, math.nan),
        **boxes(apertures.owner, apertures.pixels, found.instances.shape[1], n),
    }
    flags = objects["flag"].astype(np.int32)
    for i, (band, image) in enumerate(zip(bands, images, strict=True)):
        columns, kron_flags = _fluxes(apertures, image, noises[i], aperture_pixels)
        columns["mag"] = magnitude_of(columns["flux"], zeropoint_ab)
        if truth is not None:
            columns["true_flux_iso"] = apertures.total(truth[i])
        flags |= kron_flags
        out |= {_column(name, band): value.astype(np.float32) for name, value in columns.items()}
    iso, iso_err = apertures.iso_flux(found.image, found.noise)
    return out | {
        "a": apertures.a.astype(np.float32),
        "b": apertures.b.astype(np.float32),
        "theta": np.degrees(apertures.theta).astype(np.float32),
        "theta_sky": np.full(n, math.nan, dtype=np.float32),
        "flux_radius": apertures.half_light_radius().astype(np.float32),
        "kron_radius": apertures.kron.astype(np.float32),
        "snr": (iso / np.maximum(iso_err, 1e-30)).astype(np.float32),
        "flags": flags,
        "blended": (objects["flag"] & 1).astype(bool),
        "truncated": _truncated(out, found.instances, found.mask),
        "cut": np.zeros(n, dtype=bool),
    }


def _fluxes(
    apertures: Apertures, image: np.ndarray, noise: np.ndarray, radius: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of one band's fluxes and errors, and sep's flags of the Kron apertures."""
    kron, kron_err, flags = apertures.kron_flux(image, noise)
    iso, iso_err = apertures.iso_flux(image, noise)
    aper, aper_err = apertures.aperture_flux(image, noise, radius)
    columns = {
        "flux": kron, "flux_err": kron_err, "flux_iso": iso, "flux_iso_err": iso_err,
        "flux_aper": aper, "flux_aper_err": aper_err,
    }  # fmt: skip
    return columns, flags


def tile_rows(found: Detection, margin: int, sample: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Instances and catalogue of the tile inside a window with `margin` pixels on each side.

    Instances (whole window) are dense 1..n over the objects with a pixel in the tile, and 0
    elsewhere; boxes and areas are those inside the tile, positions count from its first pixel,
    fluxes and shapes are of the whole object.
    """
    m, window = margin, found.instances
    core = window[m : window.shape[0] - m, m : window.shape[1] - m]
    n = len(found.table["label"])
    in_tile = np.bincount(core.ravel(), minlength=n + 1)[: n + 1] > 0
    in_tile[0] = False
    number = np.where(in_tile, np.cumsum(in_tile), 0).astype(np.int32)
    instances, rows = number[window], in_tile[1:]
    table = {name: column[rows] for name, column in found.table.items()}
    inside = np.ascontiguousarray(number[core])
    pixels = np.flatnonzero(inside)
    count = int(in_tile.sum())
    area = table["area"]
    table |= boxes(inside.ravel()[pixels], pixels, inside.shape[1], count)
    table |= {
        "label": np.arange(1, count + 1, dtype=np.int32),
        "x": table["x"] - m,
        "y": table["y"] - m,
        "cut": table["area"] < area,
    }
    return instances, {"sample": np.full(count, sample, dtype=np.int64), **table}


def joined(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tables of equal columns, one below the other."""
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]} if tables else {}


def with_sky(
    table: dict[str, np.ndarray], wcs: Any, x0: float = 0.0, y0: float = 0.0
) -> dict[str, np.ndarray]:
    """Return the table with ra, dec (ICRS) and theta_sky from a WCS in which its first pixel is (x0, y0)."""
    if len(table["x"]) == 0:
        return table
    x, y = table["x"] + x0, table["y"] + y0
    angle = np.radians(table["theta"].astype(np.float64))
    ra, dec = sky_of_pixels(wcs, x, y)
    ra1, dec1 = sky_of_pixels(wcs, x + np.cos(angle), y + np.sin(angle))
    east = ((ra1 - ra + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec))
    turned = np.degrees(np.arctan2(east, dec1 - dec)) % 180.0
    return {**table, "ra": ra % 360.0, "dec": dec, "theta_sky": turned.astype(np.float32)}


def wcs_from_text(text: str) -> Any:
    """Return the WCS of the FITS header cards in `text`."""
    from astropy.io import fits
    from astropy.wcs import WCS

    with quiet():
        return WCS(fits.Header.fromstring(text)).celestial


def _column(name: str, band: str) -> str:
    """`flux_err` of band g is `flux_err_g`; `flux_iso_err` is `flux_iso_err_g`."""
    return f"{name}_{band}"


def magnitude_of(flux: np.ndarray, zeropoint: float | None) -> np.ndarray:
    """Return the magnitudes of fluxes, any shape; nan where flux <= 0 or no zeropoint is known."""
    out = np.full(flux.shape, math.nan)
    if zeropoint is not None:
        np.log10(flux, out=out, where=flux > 0)
        out = zeropoint - 2.5 * out
    return out


def boxes(owner: np.ndarray, pixels: np.ndarray, width: int, n: int) -> dict[str, np.ndarray]:
    """Bounding boxes [x0, x1) x [y0, y1) and areas of the objects 1..n."""
    y, x = np.divmod(pixels, width)
    out = {}
    for name, values in (("x", x), ("y", y)):
        low, high = np.full(n + 1, 2**30), np.full(n + 1, -1)
        np.minimum.at(low, owner, values)
        np.maximum.at(high, owner, values)
        out[f"bbox_{name}0"], out[f"bbox_{name}1"] = low[1:].astype(np.int32), high[1:].astype(np.int32) + 1
    area = np.bincount(owner, minlength=n + 1)[1:].astype(np.int32)
    return {k: out[k] for k in ("bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1")} | {"area": area}


def _truncated(table: Mapping[str, np.ndarray], instances: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    ny, nx = instances.shape
    out = (
        (table["bbox_x0"] == 0)
        | (table["bbox_y0"] == 0)
        | (table["bbox_x1"] == nx)
        | (table["bbox_y1"] == ny)
    )
    if mask is not None:
        wide = np.pad(mask, 1)
        near = np.zeros_like(mask)
        for dy in range(3):
            for dx in range(3):
                near |= wide[dy : dy + ny, dx : dx + nx]
        touching = np.unique(instances[near])
        out = out | np.isin(table["label"], touching[touching > 0])
    return out
