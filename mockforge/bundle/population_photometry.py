"""Spectra for the galaxies of catalogues: nearest to a published fit, or fitted to fluxes.

Bands are boxes in wavelength here: good to a few hundredths of a magnitude, less than the fits'
errors.
"""

from __future__ import annotations

import numpy as np

from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.igm import transmission
from mockforge.photometry.populations.simple import bundled_grid
from mockforge.photometry.spectra.spec import Spectra
from mockforge.units import ZEROPOINT_NJY

_WIDE = ((4000, 5100), (5000, 7000), (7050, 8950), (11000, 14000), (14000, 17000), (20000, 24000))
"""Angstrom: B, V, I, J, H, K, in which COSMOS' spectra are compared."""
_HDFN = (
    (2620, 3360), (4090, 5020), (5250, 6750), (7210, 8670), (11050, 13950), (15000, 18000), (20000, 24000),
)  # fmt: skip
"""WFPC2 F300W, F450W, F606W, F814W (WFPC2 handbook: mean wavelength and width) and IRIM J, H, K."""
_F160W = (14000, 17000)
_Z = np.expm1(np.linspace(np.log1p(0.03), np.log1p(6.0), 120))


class Boxes:
    """Every spectrum of a set through boxes at many redshifts."""

    def __init__(self, spectra: Spectra) -> None:
        self.set = spectrum_set(spectra)
        self.wave = self.set.wave
        light = [self.set.luminosity(float(z)) for z in _Z]
        thin = [
            through(self.wave, x * transmission(self.wave, z), z, _WIDE)
            for x, z in zip(light, _Z, strict=True)
        ]
        every = (*_HDFN, _F160W)
        deep = [
            through(self.wave, x * transmission(self.wave, z), z, every)
            for x, z in zip(light, _Z, strict=True)
        ]
        self.wide, self.hdfn = np.stack(thin), np.stack(deep)  # (z, spectrum, box)


def through(wave: np.ndarray, light: np.ndarray, z: float, boxes: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Mean f_nu (..., boxes) of L_lambda (..., W), any unit: integral L lambda / integral 1 / lambda."""
    observed_wave = wave * (1.0 + z)
    area = 0.5 * (light[..., 1:] * wave[1:] + light[..., :-1] * wave[:-1]) * np.diff(wave)
    inside = np.concatenate([np.zeros((*light.shape[:-1], 1)), np.cumsum(area, axis=-1)], axis=-1)
    out = np.empty((*light.shape[:-1], len(boxes)))
    for b, (low, high) in enumerate(boxes):
        ends = [np.interp(edge, observed_wave, np.arange(len(observed_wave))) for edge in (low, high)]
        at = []
        for end in ends:
            i = int(min(end, len(observed_wave) - 2))
            at.append(inside[..., i] + (end - i) * (inside[..., i + 1] - inside[..., i]))
        out[..., b] = (at[1] - at[0]) * (1.0 + z) / np.log(high / low)
    return out


def fast_boxes(boxes: Boxes, fast: np.ndarray) -> np.ndarray:
    """Fluxes (N, boxes) of rows of a FAST catalogue: exp(-t / tau) at solar metallicity, Calzetti dust."""
    grid = bundled_grid()
    wave = grid.wave
    single = grid.at(0.02)
    out = np.empty((len(fast), len(_WIDE)))
    light_of: dict[tuple[float, float], np.ndarray] = {}
    k = calzetti(wave)
    for row, (z, ltau, lage, a_v) in enumerate(fast[:, [1, 2, 4, 5]].tolist()):
        if (ltau, lage) not in light_of:
            age = grid.age_yr[grid.age_yr <= 10**lage]
            rate = np.exp(-(10**lage - age) / 10**ltau)
            mass = rate * np.gradient(age) if len(age) > 1 else np.ones(1)
            light_of[ltau, lage] = np.maximum(mass, 0) @ single[: len(age)]
        light = light_of[ltau, lage] * 10 ** (-0.4 * a_v * k) * transmission(wave, z)
        out[row] = through(wave, light, z, _WIDE)
    return out


def calzetti(wave: np.ndarray) -> np.ndarray:
    """Attenuation over that in V at Angstrom (Calzetti et al. 2000, ApJ 533, 682, equation 4)."""
    x = np.clip(wave, 1200.0, 22000.0) * 1e-4
    blue = 2.659 * (-2.156 + 1.509 / x - 0.198 / x**2 + 0.011 / x**3) + 4.05
    red = 2.659 * (-1.857 + 1.040 / x) + 4.05
    return np.maximum(np.where(x < 0.63, blue, red), 0.0) / 4.05


def nearest_spectrum(boxes: Boxes, z: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Return the spectrum (N,) whose colours, V to K, are nearest to those of `flux` (N, boxes) at `z`."""
    place = np.abs(np.log1p(z)[:, None] - np.log1p(_Z)).argmin(axis=1)
    model = np.log(np.maximum(boxes.wide[place], 1e-30))  # (N, M, boxes)
    away = model - np.log(np.maximum(flux, 1e-30))[:, None]
    weight = np.array([0.5, 1.0, 1.0, 1.0, 1.0, 0.5])
    away -= (away * weight).sum(axis=2, keepdims=True) / weight.sum()
    return (away**2 * weight).sum(axis=2).argmin(axis=1)


def photometric(
    boxes: Boxes, flux: np.ndarray, error: np.ndarray, spectroscopic: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Redshift, spectrum and F160W magnitude (N,) of the HDF-North's galaxies.

    `flux`, `error` (N, 7) nJy; `spectroscopic` redshifts, not above 0 where unknown. Chi-squared over
    redshifts and spectra with 8% added to the errors and, for galaxies without a redshift, the
    prior of Benitez 2000 (ApJ 536, 571, equation 24 and table 1) for late types.
    """
    model = boxes.hdfn[..., :7].reshape(-1, 7)
    z_out, spectrum, magnitude = (np.zeros(len(flux)) for _ in range(3))
    count = boxes.hdfn.shape[1]
    for i in range(len(flux)):
        weight = 1.0 / (error[i] ** 2 + (0.08 * flux[i]) ** 2)
        scale = np.maximum((model * flux[i] * weight).sum(1) / (model**2 * weight).sum(1), 1e-30)
        chi2 = ((flux[i] - scale[:, None] * model) ** 2 * weight).sum(1).reshape(len(_Z), count)
        if spectroscopic[i] > 0:
            chi2 = chi2 + 1e6 * np.abs(np.log1p(_Z) - np.log1p(spectroscopic[i]))[:, None]
        else:
            m = ZEROPOINT_NJY - 2.5 * np.log10(max(flux[i, 3], 1e-3))
            z_m = 0.063 + 0.123 * (np.clip(m, 20.0, 28.0) - 20.0)
            chi2 = chi2 - 2.0 * (0.91 * np.log(_Z) - (_Z / z_m) ** 0.91)[:, None]
        best = int(chi2.argmin())
        z_out[i], spectrum[i] = _Z[best // count], best % count
        h = scale[best] * boxes.hdfn.reshape(-1, 8)[best, 7]
        magnitude[i] = ZEROPOINT_NJY - 2.5 * np.log10(max(h, 1e-6))
    return z_out, spectrum.astype(np.int64), magnitude
