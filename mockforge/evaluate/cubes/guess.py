"""First values of a disk's parameters from the cube alone, as an observer would guess them by moments."""

from __future__ import annotations

import math

import numpy as np

from mockforge.evaluate.cubes.sample import Galaxy, Sample
from mockforge.galaxies.cubes.body.doppler import C_KM_S

_SIGMAS = 3.0
"""A spaxel counts where its light, smoothed over 3 x 3, is so many times its noise."""
_THICK = 0.15
"""Thickness over radius that an axis ratio is read with."""


def guess(galaxy: Galaxy, sample: Sample) -> dict[str, float]:
    """Return flux, centre, size, inclination, position angle, velocities of a cube, by moments.

    Velocities are the mean wavelength of a spaxel's light against that of the lines at rest; the position
    angle is the direction in which they rise; the inclination is that of the axis ratio.
    """
    scale = sample.instrument.pixel_scale_arcsec
    light, noise = galaxy.cube.sum(axis=0), np.sqrt(galaxy.variance.sum(axis=0))
    inside = _bright(light, noise)
    y, x = np.nonzero(inside)
    weight = np.maximum(light[inside], 0)
    total = weight.sum()
    x0, y0 = (weight * x).sum() / total, (weight * y).sum() / total
    dx, dy = (x - x0) * scale, (y - y0) * scale
    seeing = (sample.psf_fwhm / 2.355) ** 2
    xx, yy, xy = ((weight * p).sum() / total for p in (dx * dx, dy * dy, dx * dy))
    mean, part = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    least = 0.1 * mean
    major, minor = max(mean + part - seeing, least), max(mean - part - seeing, 0.2 * least)
    cos2 = (min(minor / major, 0.95) - _THICK**2) / (1 - _THICK**2)
    inclination = float(np.clip(math.degrees(math.acos(math.sqrt(max(cos2, 0.0)))), 25, 78))
    velocity, width = _velocities(galaxy, sample, inside)
    slope = np.linalg.lstsq(
        np.stack([np.ones_like(dx), dx, dy], axis=1) * weight[:, None], velocity * weight, rcond=None
    )[0]
    angle = math.degrees(math.atan2(slope[2], slope[1])) % 360
    along = dx * math.cos(math.radians(angle)) + dy * math.sin(math.radians(angle))
    far = np.abs(along) > np.quantile(np.abs(along), 0.7)
    speed = float(np.median(np.abs(velocity - slope[0])[far])) / math.sin(math.radians(inclination))
    middle = (np.array(galaxy.cube.shape[1:]) - 1) / 2
    r_half = max(math.sqrt(2 * major) * 0.7, 0.5 * scale)
    return {
        "x": float(x0 - middle[1]) * scale,
        "y": float(y0 - middle[0]) * scale,
        "flux": float(light[inside].sum()) * sample.instrument.channel_angstrom / 100,
        "r_half": r_half,
        "inclination": inclination,
        "position_angle": angle,
        "v_max": float(np.clip(1.4 * speed, 30, 400)),
        "r_turn": 0.4 * r_half,
        "velocity": float(slope[0]),
        "sigma": float(np.clip(width, 20, 80)),
    }


def _bright(light: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the connected spaxels about the brightest place that stand out of the noise, bool (y, x)."""
    from scipy.ndimage import label, uniform_filter

    smooth = uniform_filter(light, 3)
    depth = np.sqrt(uniform_filter(noise**2, 3) / 9)
    signal = np.divide(smooth, depth, out=np.zeros_like(smooth), where=depth > 0)
    peak = float(signal.max())
    groups = np.zeros(signal.shape, dtype=np.int32)
    label(signal > min(_SIGMAS, 0.5 * peak), output=groups)
    return groups == groups[np.unravel_index(int(signal.argmax()), signal.shape)]


def _velocities(galaxy: Galaxy, sample: Sample, inside: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the velocity of the spaxels inside, and the gas's dispersion in their middle, km/s."""
    from scipy.ndimage import uniform_filter

    spectrum = sample.waves(galaxy).spectrum
    share, at = np.atleast_2d(spectrum.share)[0], spectrum.at_rest[0]
    rest = float((share * at).sum() / share.sum())
    smooth = np.maximum(uniform_filter(galaxy.cube, 3, axes=(1, 2)), 0)[:, inside]
    top = smooth.max(axis=0)
    smooth = np.where(smooth > 0.25 * top, smooth, 0)  # the lines, without the noise beside them
    wave = galaxy.wavelength[:, None]
    total = np.maximum(smooth.sum(axis=0), 1e-30)
    mean = (smooth * wave).sum(axis=0) / total
    brightest = np.argsort(top)[-5:]
    spread = ((smooth * (wave - mean) ** 2).sum(axis=0) / total)[brightest].mean()
    doublet = float((share * (at - rest) ** 2).sum() / share.sum())
    own = spread - doublet - float(spectrum.lsf_sigma[0, 0]) ** 2
    return C_KM_S * (mean / rest - 1), C_KM_S * math.sqrt(max(own, 0.0)) / rest
