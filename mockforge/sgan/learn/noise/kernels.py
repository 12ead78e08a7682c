"""Stage 4: the noise of a field by place, from its source-free sky, the painted sky's own light taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.field.robust import sigma_about, sigma_mad
from mockforge.observe.noise.tails import tail_of, width_of
from mockforge.sgan.instrument.noise import NoiseField

MESH = 128
"""Pixels between the places of the map."""
KERNEL = 15
"""Pixels of a kernel's side."""
LAGS = 14
"""Pixels to which covariances are measured; two kernels of 15 overlap as far."""
_GRID = 64
"""Side of the grid of frequencies on which kernels are made."""
_CLIP = 4.0
"""rms to which outliers are held."""
_LEAST_FREE = 0.08
"""Share of a cell that has to be source-free sky for it to count."""
_NEAR, _WIDE = 0.7, 1.6
"""Cells over which variance and autocorrelation are averaged (Gaussian sigma)."""
_FLOOR = 0.2
"""Share of a frequency's power that is noise at least, whatever the painted sky has there."""


@dataclass(frozen=True)
class Correlations:
    """Source-free sky, cell by cell: products of pixels at each lag."""

    products: np.ndarray
    """(ny, nx, C, 2L+1, 2L+1) sums over the pairs, nJy^2."""
    pairs: np.ndarray
    """(ny, nx, 2L+1, 2L+1) how many there are."""
    rms: np.ndarray
    """(ny, nx, C) robust rms, nJy; NaN without sky."""
    free: np.ndarray
    """(ny, nx) share of source-free pixels."""


@dataclass(frozen=True)
class MeasuredNoise:
    """A field's noise, and what it was measured by."""

    noise: NoiseField
    correlations: Correlations
    painted: np.ndarray
    """(C, 2L+1, 2L+1) nJy^2, the covariance of the painted sky's own light, which was taken off."""


def measure_noise(
    sky: np.ndarray,
    free: np.ndarray,
    *,
    electrons_per_njy: np.ndarray | None = None,
    saturation_njy: np.ndarray | None = None,
    painted: np.ndarray | None = None,
    mesh: int = MESH,
) -> MeasuredNoise:
    """Measure the noise of a field: kernels by place, tails.

    Parameters
    ----------
    sky : ndarray
        (C, y, x) nJy, its background subtracted as that of painted skies will be.
    free : ndarray
        (y, x) bool, true where no source reaches and nothing is masked.
    electrons_per_njy, saturation_njy : ndarray, optional
        (C,), handed on to the noise.
    painted : ndarray, optional
        (C, 29, 29) nJy^2: covariance at lags to 14 pixels of a painted sky's light below detection, that of
        a painted sky observed with noise as measured without it, less that of the field (`covariance`).
        Those sources are painted, so they are no noise: left in, they count twice.
    mesh : int
        Pixels between the places.

    Raises
    ------
    InputError
        Where there is too little source-free sky.
    """
    found = correlations(sky, free, mesh)
    if not (found.free > _LEAST_FREE).any():
        raise InputError(
            f"{free.mean():.1%} of the field is source-free sky, too little to measure its noise on; "
            "use a larger field, or mask less of it"
        )
    bands = len(sky)
    side = 2 * LAGS + 1
    painted = np.zeros((bands, side, side)) if painted is None else np.asarray(painted, dtype=np.float64)
    if painted.shape != (bands, side, side):
        raise ValueError(f"painted: ({bands}, {side}, {side}) is expected, found {painted.shape}")
    tail = np.array([_tail(band, free, found.rms[..., i], mesh) for i, band in enumerate(sky)])
    return MeasuredNoise(
        NoiseField(
            _kernels(found, tail, painted),
            mesh,
            tail,
            np.zeros(bands) if electrons_per_njy is None else electrons_per_njy,
            np.full(bands, np.inf) if saturation_njy is None else saturation_njy,
        ),
        found,
        painted,
    )


def covariance(sky: np.ndarray, free: np.ndarray, mesh: int = MESH) -> np.ndarray:
    """Return the covariance of source-free sky at lags to 14 pixels, the mean over the field.

    Parameters
    ----------
    sky : ndarray
        (C, y, x) nJy, background subtracted.
    free : ndarray
        (y, x) bool, where no source reaches.
    mesh : int
        Side in pixels of the cells, of each of which the mean is taken off.

    Returns
    -------
    ndarray
        (C, 29, 29) nJy^2, by the robust scatter of pixels, every place alike. That of a painted and observed
        sky less that of the field, both treated alike, is what `measure_noise` takes off as `painted`:
        light below detection, and what detection and background make of it and of the noise.
    """
    found = correlations(sky, free, mesh)
    shape = found.products.sum(axis=(0, 1)) / np.maximum(found.pairs.sum(axis=(0, 1)), 1.0)
    shape /= np.maximum(shape[:, LAGS : LAGS + 1, LAGS : LAGS + 1], 1e-30)
    variance = np.nanmean(found.rms**2, axis=(0, 1))
    return variance[:, None, None] * shape


def correlations(sky: np.ndarray, free: np.ndarray, mesh: int = MESH) -> Correlations:
    """Return products at all lags to 14 pixels in cells of `mesh` pixels; pairs lie within a cell."""
    height, width = free.shape
    ny, nx = (max(1, round(n / mesh)) for n in (height, width))
    side = 2 * LAGS + 1
    products = np.zeros((ny, nx, len(sky), side, side))
    pairs = np.zeros((ny, nx, side, side))
    rms = np.full((ny, nx, len(sky)), np.nan)
    share = np.zeros((ny, nx))
    for i in range(ny):
        for j in range(nx):
            rows = slice(i * mesh, height if i == ny - 1 else (i + 1) * mesh)
            columns = slice(j * mesh, width if j == nx - 1 else (j + 1) * mesh)
            inside = free[rows, columns]
            share[i, j] = inside.mean()
            if share[i, j] <= _LEAST_FREE:
                continue
            flux = centred(sky[:, rows, columns], inside)
            rms[i, j] = sigma_mad(flux[:, inside], axis=1)
            products[i, j] = _lags(flux)
            pairs[i, j] = _lags(inside[None].astype(np.float64))[0].round()
    return Correlations(products, pairs, rms, share)


def centred(flux: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Free sky less its mean, outliers held to 4 rms; 0 elsewhere."""
    values = flux[:, free].astype(np.float64)
    middle = np.median(values, axis=1, keepdims=True)
    reach = _CLIP * sigma_about(values, middle, axis=1)[:, None]
    values = np.clip(values - middle, -reach, reach)
    out = np.zeros(flux.shape)
    out[:, free] = values - values.mean(axis=1, keepdims=True)
    return out


def _lags(flux: np.ndarray) -> np.ndarray:
    """Return sums of products at lags to `LAGS` in both directions, (C, 2L+1, 2L+1)."""
    import scipy.fft as fft

    shape = [fft.next_fast_len(n + LAGS, real=True) for n in flux.shape[1:]]
    whole = fft.irfft2(np.abs(fft.rfft2(flux, shape)) ** 2, shape)  # type: ignore
    rolled = np.roll(whole, (LAGS, LAGS), (1, 2))  # type: ignore
    return rolled[:, : 2 * LAGS + 1, : 2 * LAGS + 1]


def _kernels(found: Correlations, tail: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """(ny, nx, C, k, k) float32: the symmetric root of each place's spectrum, with its local rms."""
    counts = found.pairs[:, :, None]
    shape = _averaged(found.products, _WIDE) / np.maximum(_averaged(counts, _WIDE), 1.0)
    shape /= np.maximum(shape[..., LAGS : LAGS + 1, LAGS : LAGS + 1], 1e-30)
    known = np.isfinite(found.rms)
    weight = np.where(known, found.free[..., None], 0.0)
    variance = _averaged(np.where(known, found.rms, 0.0) ** 2 * weight, _NEAR) / np.maximum(
        _averaged(weight, _NEAR), 1e-6
    )
    width = width_of(tail)
    out = np.empty((*variance.shape, KERNEL, KERNEL), dtype=np.float32)
    for place in np.ndindex(variance.shape):
        band = place[-1]
        out[place] = kernel_of(variance[place] * shape[place], painted[band]) / width[band]
    return out


def _averaged(cells: np.ndarray, sigma: float) -> np.ndarray:
    """Return cells (ny, nx, ...) summed with their neighbours; far ones count where none is near."""
    out = cells
    for axis in (0, 1):
        n = cells.shape[axis]
        apart = np.arange(n)[:, None] - np.arange(n)
        weight = np.exp(-0.5 * (apart / sigma) ** 2) + 1e-4 / (1.0 + np.abs(apart))
        out = np.moveaxis(np.tensordot(weight, out, axes=(1, axis)), 0, axis)
    return out


def kernel_of(covariance: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Return the kernel (k, k) whose noise has a covariance (2L+1, 2L+1), less a painted sky's.

    The power spectrum is the transform of the covariance, tapered to 0 at its edge; that of `painted` is
    taken off, but a fifth stays; the kernel is the transform of the root, cut to its size, of equal variance.
    """
    whole = _power(covariance)
    whole = np.maximum(whole, 1e-3 * whole.mean())
    power = np.maximum(whole - _power(painted), _FLOOR * whole)
    half = KERNEL // 2
    kernel = np.roll(np.fft.ifft2(np.sqrt(power)).real, (half, half), (0, 1))[:KERNEL, :KERNEL]
    return kernel * np.sqrt(power.mean() / (kernel**2).sum())


def _power(covariance: np.ndarray) -> np.ndarray:
    """Spectrum of a covariance at lags to `LAGS`, on a square of `_GRID` frequencies."""
    y, x = np.mgrid[-LAGS : LAGS + 1, -LAGS : LAGS + 1]
    taper = np.clip(1.0 - (np.hypot(y, x) / (LAGS + 1)) ** 4, 0.0, None)
    padded = np.zeros((_GRID, _GRID))
    padded[: 2 * LAGS + 1, : 2 * LAGS + 1] = covariance * taper
    return np.fft.fft2(np.roll(padded, (-LAGS, -LAGS), (0, 1))).real


def _tail(band: np.ndarray, free: np.ndarray, rms: np.ndarray, mesh: int) -> float:
    """Scatter of the local rms that explains the negative tail of source-free sky.

    The positive one holds faint sources. Each pixel is in units of its cell's rms.
    """
    ny, nx = rms.shape
    values = []
    for i in range(ny):
        for j in range(nx):
            cell = np.s_[i * mesh : (i + 1) * mesh, j * mesh : (j + 1) * mesh]
            inside = band[cell][free[cell]]
            if np.isfinite(rms[i, j]) and len(inside) > 200 and rms[i, j] > 0:
                values.append((inside - np.median(inside)) / sigma_mad(inside))
    return tail_of(np.concatenate(values)) if values else 0.0
