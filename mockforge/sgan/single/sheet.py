"""Stamps side by side as one field, so that what fits the sources of a field fits single galaxies."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mockforge.observe.measure import noise_autocorrelation
from mockforge.sgan.learn.detect import ISOPHOTE, Detections
from mockforge.sgan.learn.field import LearnField, correlated_noise
from mockforge.sgan.single.read import StampSet

GAP = 96
"""Pixels between stamps, none of them used: no galaxy's window reaches another's stamp."""
_LAGS = 3
_COLUMNS = ("x", "y", "a", "b", "theta", "npix")


@dataclass(frozen=True, eq=False)
class SheetField(LearnField):
    """A field of stamps, each with a noise of its own."""

    pixel_rms: np.ndarray = field(kw_only=True)
    """(C, H, W) float32 nJy."""

    @cached_property
    def rms(self) -> np.ndarray:
        """(C, H, W) float32 nJy: that of each stamp, and no map between them."""
        return self.pixel_rms


@dataclass(frozen=True, eq=False)
class Sheet:
    """N stamps in rows of a field, with the middles of their galaxies."""

    field: SheetField
    left: np.ndarray
    """(N,) first column of each stamp."""
    top: np.ndarray
    """(N,) first row."""
    side: int

    def cut(self, planes: np.ndarray) -> np.ndarray:
        """Return each stamp (N, C, S, S) of planes (C, H, W) of the sheet."""
        return np.stack(
            [
                planes[:, t : t + self.side, x : x + self.side]
                for t, x in zip(self.top, self.left, strict=True)
            ]
        )


def sheet_of(stamps: StampSet, mask_neighbours: bool) -> Sheet:
    """Lay stamps out; what is not connected with the galaxy in the middle is masked where it is asked for."""
    n, bands, side = len(stamps), len(stamps.bands), stamps.image.shape[-1]
    columns = int(np.ceil(np.sqrt(n)))
    pitch = side + GAP
    rows = -(-n // columns)
    shape = (rows * pitch + GAP, columns * pitch + GAP)
    top, left = (GAP + pitch * v for v in np.divmod(np.arange(n), columns))
    image = np.zeros((bands, *shape), dtype=np.float32)
    mask, labels = np.ones(shape, dtype=bool), np.zeros(shape, dtype=np.int32)
    rms_mesh = np.empty((bands, rows, columns), dtype=np.float32)
    rms_mesh[:] = np.median(stamps.rms, axis=0)[:, None, None]
    rms = np.empty((bands, *shape), dtype=np.float32)
    rms[:] = rms_mesh[:, :1, :1]
    table = np.zeros(n, dtype=[(name, np.float64) for name in _COLUMNS])
    for i, (y, x) in enumerate(zip(top, left, strict=True)):
        window = (slice(y, y + side), slice(x, x + side))
        own, others, moments = _middle_source(stamps.image[i], stamps.mask[i], stamps.rms[i], stamps)
        hidden = stamps.mask[i] | (others if mask_neighbours else False)
        image[(slice(None), *window)] = np.where(hidden, 0.0, stamps.image[i])
        mask[window] = hidden
        labels[window] = np.where(own, i + 1, 0)
        rms[(slice(None), *window)] = stamps.rms[i][:, None, None]
        table[i] = (moments[0] + x, moments[1] + y, *moments[2:])
    widths, sky = (float(f) for f in stamps.psf.fwhm_pix), (labels == 0) & ~mask
    correlated = [correlated_noise(i, sky, fwhm, _LAGS) for i, fwhm in zip(image, widths, strict=True)]
    found = Detections(table, labels, np.full(n, np.inf), np.ones(bands))
    laid = SheetField(
        image=image, mask=mask, defects=mask, rms_mesh=rms_mesh, mesh=pitch,
        correlated=np.array(correlated), gains=np.zeros(bands),
        fwhm_pix=np.asarray(stamps.psf.fwhm_pix), detections=found, bands=stamps.bands,
        pixel_scale_arcsec=stamps.pixel_scale_arcsec, pixel_rms=rms,
    )  # fmt: skip
    return Sheet(laid, left, top, side)


def correlation_of(field: LearnField) -> np.ndarray:
    """(C, k, k) autocorrelation of the sky's noise between galaxies, 1 at the centre."""
    return np.stack([noise_autocorrelation(band / rms, field.free, _LAGS)
                     for band, rms in zip(field.image, field.rms, strict=True)])  # fmt: skip


def _middle_source(
    image: np.ndarray, mask: np.ndarray, rms: np.ndarray, stamps: StampSet
) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Return pixels (S, S) of the galaxy in the middle, those of other objects, and its x, y, a, b, theta, n.

    Connected pixels of the smoothed mean above 1.5 rms, of those that hold the brightest pixel near the
    middle.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter
    from skimage.measure import label

    side = image.shape[-1]
    sigma = max(1.0, float(np.mean(stamps.psf.fwhm_pix)) / 2.3548)
    weight = rms**-2.0 / (rms**-2.0).sum()
    mean = np.einsum("cyx,c->yx", image, weight)
    noise = (rms**-2.0).sum() ** -0.5 / (2 * np.sqrt(np.pi) * sigma)
    smooth = gaussian_filter(mean, sigma)
    parts = np.asarray(label((smooth > ISOPHOTE * noise) & ~mask, connectivity=1))
    reach = max(3, side // 10)
    near = np.s_[side // 2 - reach : side // 2 + reach, side // 2 - reach : side // 2 + reach]
    peak = np.unravel_index(int(np.argmax(np.where(mask[near], -np.inf, smooth[near]))), smooth[near].shape)
    place = (int(peak[0]) + side // 2 - reach, int(peak[1]) + side // 2 - reach)
    own = parts == parts[place] if parts[place] else np.zeros_like(mask)
    if not own.any():
        own[place] = True
    others = binary_dilation((parts > 0) & ~own, iterations=2) & ~own
    y, x = np.nonzero(own)
    light = np.maximum(smooth[own], 1e-12)
    x0, y0 = (float((v * light).sum() / light.sum()) for v in (x, y))
    xx, yy, xy = (
        float((p * light).sum() / light.sum()) for p in ((x - x0) ** 2, (y - y0) ** 2, (x - x0) * (y - y0))
    )
    half, root = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    a, b = (float(np.sqrt(max(v, 0.25))) for v in (half + root, half - root))
    return own, others, (x0, y0, a, b, 0.5 * float(np.arctan2(2 * xy, xx - yy)), float(own.sum()))
