"""The noise that is requested of a sky: a depth, a survey's, an rms, a map, or a noise field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.noise.depth import rms_of_psf_depth
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.paint.asked import Asked, Banded, by_band, survey_of
from mockforge.sgan.paint.psf_asked import known_scale
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class RmsMap:
    """The sky rms over a field, nJy per pixel, between whose meshes it runs linearly."""

    njy: np.ndarray
    """(bands, ny, nx): element (i, j) belongs to the square from pixel (i, j) times `mesh`."""
    mesh: int
    """Side of a square in pixels."""


@dataclass(frozen=True)
class Grid:
    """The pixels of a sky, and how wide its stars are in them."""

    pixels_per_native: float
    scale_arcsec: float | None
    fwhm_pix: tuple[float, ...]
    """Per band, pixel included."""


def noise_on_sky(
    model: Banded,
    own: NoiseField,
    grid: Grid,
    *,
    depth: Asked | None = None,
    rms: float | Mapping[str, float] | RmsMap | None = None,
    noise: NoiseField | None = None,
) -> tuple[NoiseField, bool]:
    """Return the noise of a sky, and whether the seed chooses where on it the sky begins.

    Without a request it is the model's own, place by place. On other pixels than the model's the noise
    of an area stays, and its correlation is over as many pixels. A requested noise is even, correlated
    as the field's is where its noise is the median; where the gain is known it goes with the depth as
    if the exposure were longer or shorter, with 1 / rms^2.

    Raises
    ------
    InputError
        For more than one request, a band or survey that does not exist, arcsec where the pixel scale is
        not known, and numbers that no noise has.
    """
    given = [name for name, v in (("depth", depth), ("rms", rms), ("noise", noise)) if v is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} both set the noise of the sky; give one of them")
    if noise is not None:
        if noise.bands != len(model.bands):
            raise InputError(
                f"noise: has {noise.bands} bands, {model.name} has {', '.join(model.bands)}; give one each"
            )
        return noise, False
    here = own if grid.pixels_per_native == 1.0 else own.on_pixels(grid.pixels_per_native)
    if isinstance(rms, RmsMap):
        return _mapped(model, here, rms), False
    if not given:
        return here, True
    levels = _depths(model, here, grid, depth) if rms is None else _rms(model, here, rms)
    return _even(here, levels), any(level is None for level in levels)


def depths_ab(noise: NoiseField, grid: Grid) -> tuple[float, ...] | None:
    """AB magnitude of a point source at 5 sigma, PSF-weighted, per band; None where arcsec mean nothing."""
    if not grid.scale_arcsec:
        return None
    out = []
    for band, (rms, fwhm) in enumerate(zip(noise.rms_njy, grid.fwhm_pix, strict=True)):
        unit = _rms_of(noise, band, ZEROPOINT_NJY, fwhm)  # rms goes with flux
        out.append(ZEROPOINT_NJY - 2.5 * math.log10(rms / unit) if rms > 0 else math.inf)
    return tuple(out)


def unit_kernels(noise: NoiseField) -> np.ndarray:
    """(C, k, k) kernels of rms 1, of the place whose rms is the field's median in each band."""
    flat = noise.kernels.reshape(-1, *noise.kernels.shape[2:]).astype(np.float64)  # (places, C, k, k)
    rms = np.sqrt((flat**2).sum(axis=(2, 3)))
    out = []
    for band in range(flat.shape[1]):
        place = int(np.argsort(rms[:, band])[(len(flat) - 1) // 2])
        kernel, level = flat[place, band], rms[place, band]
        if level > 0:
            out.append(kernel / level)
            continue
        white = np.zeros_like(kernel)  # no noise at all: correlated as none
        white[len(white) // 2, len(white) // 2] = 1.0
        out.append(white)
    return np.stack(out)


def autocorrelation(kernel: np.ndarray) -> np.ndarray:
    """Return that of noise of a kernel (k, k): (2 k - 1, 2 k - 1), 1 at the centre."""
    size = 2 * len(kernel) - 1
    power = np.abs(np.fft.rfft2(np.asarray(kernel, dtype=np.float64), (size, size))) ** 2
    out = np.fft.fftshift(np.fft.irfft2(power, (size, size)))
    return out / out[size // 2, size // 2]


_Level = tuple[float, float] | None
"""Rms in nJy and electrons for a nJy, 0 where not known; None: as the field has them."""


def _depths(model: Banded, noise: NoiseField, grid: Grid, depth: Asked | None) -> list[_Level]:
    scale = known_scale("depth", model, grid.scale_arcsec)
    out: list[_Level] = []
    for i, value in enumerate(by_band("depth", model, depth, lambda v: 0 < v < 40, "an AB magnitude")):
        if value is None:
            out.append(None)
        elif isinstance(value, str):
            chosen, band = survey_of("depth", model, value, model.bands[i])
            tied = autocorrelation(unit_kernels(noise)[i])
            level, gain = sky_noise(chosen, band, scale, tied).rms_njy, chosen.band(band).electrons_per_njy
            out.append(_with_gain(noise, i, level) if gain is None else (level, gain))
        else:
            level = rms_of_psf_depth(
                value, 1.0, grid.fwhm_pix[i], autocorrelation=autocorrelation(unit_kernels(noise)[i])
            )
            out.append(_with_gain(noise, i, level))
    return out


def _rms(model: Banded, noise: NoiseField, rms: float | Mapping[str, float]) -> list[_Level]:
    levels = by_band("rms", model, rms, lambda v: v >= 0, "nJy per pixel, 0 or more")
    for value in levels:
        if isinstance(value, str):
            raise InputError(f"rms: should be nJy per pixel, found {value!r}")
    return [None if v is None else _with_gain(noise, i, float(v)) for i, v in enumerate(levels)]


def _rms_of(noise: NoiseField, band: int, magnitude: float, fwhm_pix: float) -> float:
    """Rms of a pixel (nJy) that a limit for point sources needs: it is the same in pixels and in arcsec."""
    tied = autocorrelation(unit_kernels(noise)[band])
    return rms_of_psf_depth(magnitude, 1.0, fwhm_pix, autocorrelation=tied)


def _with_gain(noise: NoiseField, band: int, rms: float) -> tuple[float, float]:
    """Return the rms and the gain of an exposure that has it: background-limited, rms^2 ~ 1 / time."""
    gain, own = float(noise.electrons_per_njy[band]), float(noise.rms_njy[band])
    return rms, gain * (own / rms) ** 2 if gain and rms > 0 else 0.0


def _even(noise: NoiseField, levels: list[_Level]) -> NoiseField:
    """Return the noise with the levels that are requested, even over the field; other bands keep theirs."""
    kernels, gains = noise.kernels.copy(), noise.electrons_per_njy.copy()
    units = unit_kernels(noise)
    for band, level in enumerate(levels):
        if level is not None:
            kernels[:, :, band] = units[band] * level[0]
            gains[band] = level[1]
    even = kernels if None in levels else kernels[:1, :1]
    return replace(noise, kernels=even, electrons_per_njy=gains)


def _mapped(model: Banded, noise: NoiseField, asked: RmsMap) -> NoiseField:
    """Return the noise with the rms of a map."""
    rms = np.asarray(asked.njy, dtype=np.float64)
    good = rms.ndim == 3 and len(rms) == len(model.bands) and rms.size > 0
    if not good or not np.isfinite(rms).all() or (rms <= 0).any() or asked.mesh < 1:
        raise InputError(
            f"rms: a map (bands, y, x) of {len(model.bands)} bands of nJy above 0 and a mesh of at least 1"
            f" pixel are expected, found {rms.shape}, mesh {asked.mesh}"
        )
    places = np.moveaxis(rms, 0, -1)[..., None, None]
    kernels = (places * unit_kernels(noise)).astype(np.float32)
    return replace(noise, kernels=kernels, mesh=int(asked.mesh))
