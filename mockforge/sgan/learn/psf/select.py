"""Which sources of a field are stars: those that share the smallest radius of their surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.field.robust import sigma_about
from mockforge.label.bright import sources
from mockforge.observe.measure import stars

LEAST = 3
"""Stars, at least; fewer cannot tell what they share."""
_SNR = 50.0
"""Least signal-to-noise ratio of a candidate."""
_APERTURE = 6.0
"""Pixels; radius of the aperture of the signal-to-noise ratio."""
_NEAR = 300.0
"""Pixels over which the radius of stars may drift across a field."""
_KERNEL = 0.03
"""Scatter of ln radius among stars of one place."""
_REACH = (-0.12, 0.3)
"""ln radius about the field's locus within which that of a place is looked for."""
_WIDTH = 0.07
"""Half width in ln radius of the locus of a place."""
_CROWD = 2.0
"""Sources on the locus over those just larger from which on it is one of stars by itself."""

GIVE = (
    "give the PSF in the recipe: `psf: {image: {files: [...]}}`, FITS images of stars on the field's pixel "
    "scale, or `psf: {fwhm_pix: [...], beta: 3}`, the stars' widths in pixels"
)


@dataclass(frozen=True)
class StarList:
    """Sources that look like stars in the band whose seeing parts them best from galaxies."""

    x: np.ndarray
    """(n,) float64 centres, pixels."""
    y: np.ndarray
    snr: np.ndarray
    """(n, C) of an aperture."""
    band: int
    """Index of the band they were told by."""
    radius: np.ndarray
    """(n,) half-light radius there, pixels."""
    label: np.ndarray
    """(n,) their numbers in `labels`."""
    labels: np.ndarray
    """(y, x) int32 of all sources above 1.5 sigma on the mean of the bands; 0 = sky."""
    considered: tuple[np.ndarray, np.ndarray]
    """ln radius and ln signal-to-noise ratio of all sources that were looked at, for a picture."""
    crowded: bool
    """Whether their radius alone tells that they are stars; else their light curves have to."""

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, which: np.ndarray) -> StarList:
        """Return some of the stars."""
        columns = {name: getattr(self, name)[which] for name in ("x", "y", "snr", "radius", "label")}
        return replace(self, **columns)


def find_stars(flat: np.ndarray, mask: np.ndarray) -> StarList:
    """Return the stars of a field, those of saturated cores too.

    Parameters
    ----------
    flat : ndarray
        (C, y, x) nJy, its background subtracted.
    mask : ndarray
        (y, x) bool, true where a pixel must not be used.

    Returns
    -------
    StarList
        In the band in which the stars' half-light radius is smallest.

    Raises
    ------
    InputError
        Where too few sources share a smallest radius.
    """
    mask = np.ascontiguousarray(mask)
    table, labels, _ = sources(flat, mask)
    number = np.flatnonzero((table["flag"] & 2 == 0) & (table["a"] < 1.5 * np.maximum(table["b"], 0.1)))
    table = table[number]
    radii, snr = _radii(flat, mask, table)
    loci = [stars(r, s) for r, s in zip(radii, snr, strict=True)]
    widths = [np.median(r[at]) if len(at) >= LEAST else np.inf for r, at in zip(radii, loci, strict=True)]
    band = int(np.argmin(widths))
    if not np.isfinite(widths[band]):
        raise InputError(
            f"the field's PSF cannot be measured: {int((snr.max(axis=0) > 30).sum()) if len(table) else 0} "
            f"bright round sources are too few to tell stars from galaxies; {GIVE}"
        )
    radius, bright = radii[band], snr[band] > _SNR
    usable = bright & np.isfinite(radius) & (radius > 0.5)
    log_radius = np.log(np.where(usable, radius, 1.0))
    place = np.stack([table["x"], table["y"]], axis=1)
    local = _locus_by_place(place, log_radius, usable, float(np.log(widths[band])))
    offset = log_radius - local
    on = usable & (np.abs(offset) < _WIDTH)
    crowded = _crowded(offset[usable], int(on.sum()))
    which = np.flatnonzero(on)
    return StarList(
        x=table["x"][which].astype(np.float64),
        y=table["y"][which].astype(np.float64),
        snr=snr[:, which].T.copy(),
        band=band,
        radius=radius[which],
        label=number[which] + 1,
        labels=labels,
        considered=(log_radius[usable], np.log(snr[band][usable])),
        crowded=crowded,
    )


def _radii(flat: np.ndarray, mask: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half-light radius and signal-to-noise ratio of each source in each band, both (C, n)."""
    import sep

    radii, snr = [], []
    for band in flat:
        pixels = np.ascontiguousarray(band, dtype=np.float32)
        noise = float(sigma_about(pixels[~mask], 0.0))
        flux, error, _ = sep.sum_circle(pixels, table["x"], table["y"], _APERTURE, err=noise, mask=mask)
        radius, _ = sep.flux_radius(pixels, table["x"], table["y"], 6.0 * table["a"], 0.5, mask=mask)
        radii.append(radius)
        snr.append(flux / np.maximum(error, 1e-30))
    return np.array(radii), np.array(snr)


def _locus_by_place(
    place: np.ndarray, log_radius: np.ndarray, usable: np.ndarray, first: float
) -> np.ndarray:
    """ln radius of the stars about each source: where most of the sources near it lie, (n,).

    Seeing and focus drift across a field by more than stars scatter. Sources far away count a tenth,
    so that a place without stars of its own has the field's locus.
    """
    trial = first + np.arange(_REACH[0], _REACH[1], 0.01)
    near = usable & (log_radius > trial[0] - 0.1) & (log_radius < trial[-1] + 0.1)
    kernel = np.exp(-0.5 * ((trial[:, None] - log_radius[near]) / _KERNEL) ** 2)
    kernel *= np.exp(-0.5 * np.maximum(log_radius[near] - first, 0.0) / 0.15)  # stars are the smaller ones
    square = ((place[:, None] - place[None, near]) ** 2).sum(axis=-1)
    weight = np.exp(-0.5 * square / _NEAR**2) + 0.1 / max(1.0, 0.02 * near.sum())
    return trial[np.argmax(weight @ kernel.T, axis=1)]


def _crowded(offset: np.ndarray, on: int) -> bool:
    """Whether the locus is more crowded than what lies beside it, with next to nothing smaller than it.

    InputError where there are too few sources on it for a PSF.
    """
    beside = int(((offset > 2 * _WIDTH) & (offset < 4 * _WIDTH)).sum())
    smaller = int(((offset < -1.5 * _WIDTH) & (offset > -8 * _WIDTH)).sum())
    if on < LEAST:
        raise InputError(
            f"stars cannot be told from galaxies in this field: {on} bright round sources share the smallest "
            f"radius, {LEAST} are needed; {GIVE}"
        )
    return on > _CROWD * beside and smaller <= 0.15 * on
