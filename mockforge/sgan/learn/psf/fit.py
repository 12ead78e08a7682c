"""The PSF that stars share, fitted at the places between pixels where they lie.

As Anderson & King 2000 (PASP 112, 1360): stars are not moved, the model is. Each star is a flux times the
band-limited PSF at its centre; what the stars' pixels leave over is moved back, averaged with weights,
outliers left out, and added to the PSF, until flux, centres and PSF stand still. Only what is left over is
interpolated, so that interpolation blurs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.sgan.learn.psf.stamps import StarStamps

_CORE = 6.0
"""Pixels from the centre that fix flux and place; those of a saturated star reach to 2.5 times that."""
_HALF = 20
"""Pixels from the middle of a stamp that are looked at for it."""
_MISFIT = 0.03
"""Part of the model by which stars of one field differ from it: no star's middle counts more than its."""
_CLIP = 4.0


@dataclass(frozen=True)
class StarFit:
    """Flux, place and width of each star under a PSF."""

    flux: np.ndarray
    """(n,) nJy."""
    dx: np.ndarray
    """(n,) pixels from the stamp's middle."""
    dy: np.ndarray
    stretch: np.ndarray
    """(n,) ln of the star's width over the PSF's, first order."""
    error: np.ndarray
    """(n,) error of `stretch`."""


def moved(image: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return images (n or 1, P, P) moved by (n,) pixels along their band-limited curve, (n, P, P)."""
    side = image.shape[-1]
    fy, fx = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    phase = np.exp(-2j * np.pi * (fy[:, None] * dy[:, None, None] + fx * dx[:, None, None]))
    return np.fft.irfft2(np.fft.rfft2(image) * phase, s=(side, side))


def widening(psf: np.ndarray) -> np.ndarray:
    """d psf / d ln(width) at constant flux, (P, P): -(2 + r d/dr) psf, from its slopes."""
    half = psf.shape[-1] // 2
    y, x = np.indices(psf.shape) - half
    gy, gx = np.gradient(psf)
    return -(2.0 * psf + x * gx + y * gy)


def fit_stars(stamps: StarStamps, psf: np.ndarray, start: StarFit | None, rounds: int = 4) -> StarFit:
    """Fit flux, centre and width of each star by weighted least squares, a few rounds of Gauss and Newton."""
    n, half = len(stamps), psf.shape[-1] // 2
    inner = slice(half - _HALF, half + _HALF + 1)
    stamps = replace(stamps, pixels=stamps.pixels[:, inner, inner], used=stamps.used[:, inner, inner])
    psf = psf[inner, inner]
    y, x = np.indices(psf.shape) - _HALF
    r = np.hypot(x, y)
    usable = stamps.used & (r < 2.5 * _CORE)
    whole = stamps.used[:, r < 1.5].all(axis=1)
    usable[whole] &= r < _CORE
    light = np.where(usable, stamps.pixels, 0.0).sum(axis=(1, 2))
    share = (usable * psf).sum(axis=(1, 2))
    fit = start or StarFit(
        light / np.maximum(share, 0.02), stamps.dx.copy(), stamps.dy.copy(), np.zeros(n), np.zeros(n)
    )
    for _ in range(rounds):
        fit = _step(stamps, psf, usable, fit)
    return fit


def _step(stamps: StarStamps, psf: np.ndarray, usable: np.ndarray, fit: StarFit) -> StarFit:
    here = moved(psf[None], fit.dx, fit.dy)
    wider = moved(widening(psf)[None], fit.dx, fit.dy)
    model = fit.flux[:, None, None] * (here + fit.stretch[:, None, None] * wider)
    weight = usable / variance(stamps, np.maximum(model, 0.0))
    gy, gx = np.gradient(model, axis=(1, 2))
    slopes = np.stack([here, -gx, -gy, fit.flux[:, None, None] * wider], axis=1)  # flux, dx, dy, stretch
    normal = np.einsum("niyx,nyx,njyx->nij", slopes, weight, slopes, optimize=True)
    right = np.einsum("niyx,nyx,nyx->ni", slopes, weight, stamps.pixels - model, optimize=True)
    scale = 1.0 / np.sqrt(np.maximum(np.einsum("nii->ni", normal), 1e-300))
    normal = normal * scale[:, :, None] * scale[:, None, :] + 1e-9 * np.eye(4)
    change = np.linalg.solve(normal, (right * scale)[..., None])[..., 0] * scale
    error = np.sqrt(np.abs(np.einsum("nii->ni", np.linalg.inv(normal))[:, 3])) * scale[:, 3]
    return StarFit(
        np.maximum(fit.flux + change[:, 0], 0.1 * np.maximum(fit.flux, 1e-3)),
        fit.dx + np.clip(change[:, 1], -0.3, 0.3),
        fit.dy + np.clip(change[:, 2], -0.3, 0.3),
        np.clip(fit.stretch + np.clip(change[:, 3], -0.15, 0.15), -0.4, 0.6),
        error,
    )


def variance(stamps: StarStamps, model: np.ndarray) -> np.ndarray:
    """Of each pixel, nJy^2: sky, photons where the gain is known, and the PSF's own differences."""
    photons = model / stamps.electrons_per_njy if stamps.electrons_per_njy else 0.0
    return stamps.rms**2 + photons + (_MISFIT * model) ** 2


@dataclass(frozen=True)
class Stack:
    """The mean PSF of stars, pixel by pixel."""

    psf: np.ndarray
    """(P, P)."""
    weight: np.ndarray
    """(P, P) inverse variance of `psf`."""


def stacked(stamps: StarStamps, fit: StarFit, psf: np.ndarray) -> Stack:
    """Return the PSF plus the mean of what the stars leave over, and how well each pixel is known."""
    model = fit.flux[:, None, None] * moved(psf[None], fit.dx, fit.dy)
    left = np.where(stamps.used, stamps.pixels - model, 0.0) / fit.flux[:, None, None]
    weight = stamps.used * fit.flux[:, None, None] ** 2 / variance(stamps, np.maximum(model, 0.0))
    back = moved(left, -fit.dx, -fit.dy)
    # Where a star's pixel is missing, or its error, the pixel moved there is too.
    weight = np.where(_near(stamps.used, fit), weight, 0.0)
    for _ in range(3):
        total = np.maximum(weight.sum(axis=0), 1e-300)
        mean = (weight * back).sum(axis=0) / total
        apart = np.abs(back - mean) * np.sqrt(weight)
        weight = np.where(apart > _CLIP * np.maximum(_scatter(apart), 1.0), 0.0, weight)
    total = weight.sum(axis=0)
    mean = (weight * back).sum(axis=0) / np.maximum(total, 1e-300)
    return Stack(psf + mean, total)


def _scatter(apart: np.ndarray) -> np.ndarray:
    """Robust scatter over the stars of what is in units of its error, (P, P)."""
    return 1.4826 * np.median(apart, axis=0)


def _near(used: np.ndarray, fit: StarFit) -> np.ndarray:
    """(n, P, P): all four pixels that a moved pixel lies among count."""
    out = used.copy()
    for shift, axis in ((fit.dy, 1), (fit.dx, 2)):
        for i, s in enumerate(shift):
            out[i] &= np.roll(out[i], -1 if s > 0 else 1, axis=axis - 1)
    return out


def without(fit: StarFit, which: np.ndarray) -> StarFit:
    """Return the fit of some of the stars."""
    return replace(fit, **{name: getattr(fit, name)[which] for name in vars(fit)})
