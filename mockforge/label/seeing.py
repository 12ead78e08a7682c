"""The seeing of a field from its own stars, found where they part best from galaxies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.field.robust import sigma_about
from mockforge.observe.measure import core_fwhm, stars


def star_fwhm(flat: np.ndarray, mask: np.ndarray, sources: Any) -> tuple[float, ...]:
    """FWHM of each band in px, on the same stars, found in the band whose seeing parts them best.

    Parameters
    ----------
    flat : ndarray
        (band, y, x), background subtracted.
    mask : ndarray
        (y, x) bool, true where a pixel must not be used.
    sources : ndarray
        Table of sep, a row per object.

    Returns
    -------
    tuple of float
        NaN where a band has too few stars.
    """
    import sep

    round_sources = (sources["flag"] == 0) & (sources["a"] < 1.5 * np.maximum(sources["b"], 0.1))
    chosen = sources[round_sources]
    x, y = chosen["x"], chosen["y"]
    candidates, snr = [], []
    for band in flat:
        noise = float(sigma_about(band[~mask], 0.0))
        flux, error, _ = sep.sum_circle(band, x, y, 5.0, err=noise, mask=mask)
        radius, _ = sep.flux_radius(band, x, y, 6.0 * chosen["a"], 0.5, mask=mask)
        snr.append(flux / np.maximum(error, 1e-30))
        star_rows = stars(radius, snr[-1])
        candidates.append((float(np.median(radius[star_rows])) if len(star_rows) else np.inf, star_rows))
    star_rows = min(candidates, key=lambda pair: pair[0])[1]
    used = [star_rows[ratio[star_rows] > 30] for ratio in snr]  # stars that are bright in this band too
    return tuple(core_fwhm(band, x[w], y[w]) for band, w in zip(flat, used, strict=True))
