"""The PSFs of an image's bands as what draws with them needs them: sampled transfer functions.

A PSF is its transfer function, T(k) = sum of psf(r) exp(-i k.r), known at any frequency. `transfer`
samples it for one stamp: on the grid of the padded stamp and in the zones beyond its Nyquist
frequency that fold back on it. The bands share a few principal PSFs, so that a galaxy is
convolved with those and not with every band's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from mockforge.observe.fourier import fast_size
from mockforge.observe.psf.models import PsfModel, Rings
from mockforge.observe.psf.per_band import file_stamps, models
from mockforge.observe.psf.radial import Radial, together
from mockforge.observe.psf.spec import Psf

_SHARED = 5e-4
"""Principal PSFs are kept until all bands are this near theirs, relative to the central value."""
_OUTSIDE = 0.05
"""The padding round a stamp reaches as far as the circle that leaves this much of a PSF outside."""
_ZONES = 3
"""Multiples of the sampling frequency on each side that may fold back."""
_TURNS = range(-_ZONES, _ZONES + 1)
_ORDER = sorted(itertools.product(_TURNS, _TURNS), key=lambda g: (g != (0, 0), g))
_LOOKED = 48
"""Side of the grid at whose frequencies the principal PSFs are found."""
_FOLDED = (3e-4, 1.2e-3)
"""Transfer functions, the pixel's included, below the first are left out there, from the second on
they are whole: an edge between would ring along the axes of the image, far from a bright source."""


@dataclass(frozen=True, eq=False)
class Zone:
    """Frequencies k + 2 pi g of a rectangle of the grid's, where a transfer function matters."""

    g: tuple[int, int]
    """Multiples (y, x) of the sampling frequency."""
    rows: slice
    """Of the grid's frequencies along y."""
    columns: slice
    """Of the grid's frequencies along x, those of a real transform."""
    basis: Any
    """(J, rows, columns): the principal PSFs' transfer functions times the pixel's; float32 where
    they are real, as those of symmetric PSFs are, else complex64."""
    strength: Any
    """(rows, columns) float32: the largest of the bands' transfer functions, times the pixel's."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """The PSFs of all bands, sampled for stamps of one shape and pixel scale, radians per pixel."""

    shape: tuple[int, int]
    """Height and width of a stamp, pixels."""
    grid: tuple[int, int]
    """Height and width of the padded stamp, pixels."""
    fwhm_arcsec: np.ndarray
    """(C,) full width at half maximum, measured on each PSF without the pixel."""
    mix: Any
    """(C, J) float32: each band's PSF in terms of the principal ones."""
    basis: Any
    """(J, grid y, grid x // 2 + 1) as `Zone.basis`: without the pixel, at the grid's own frequencies."""
    zones: tuple[Zone, ...]
    """The grid's own frequencies, whole, then what folds back on them."""
    optics: Optics
    """The principal transfer functions, (J, ...) at any frequencies."""
    pixel_scale_arcsec: float
    _on: dict[str, Transfer] = field(default_factory=dict, repr=False)

    def on(self, device: Any) -> Transfer:
        """Return the same with torch tensors on a device, made once."""
        import torch

        key = str(device)
        if key not in self._on:

            def there(array: np.ndarray) -> torch.Tensor:
                return torch.from_numpy(array).to(device)

            zones = tuple(replace(z, basis=there(z.basis), strength=there(z.strength)) for z in self.zones)
            mix, basis = there(self.mix), there(self.basis)
            self._on[key] = replace(self, mix=mix, basis=basis, zones=zones)
        return self._on[key]


def transfer(psf: Psf, bands: Sequence[str], pixel_scale_arcsec: float, shape: tuple[int, int]) -> Transfer:
    """Return the transfer functions of a PSF, sampled for stamps of one shape.

    Made once for equal arguments and unchanged files.

    Parameters
    ----------
    psf : Psf
        What the PSF is.
    bands : sequence of str
        The C bands of the stamps.
    pixel_scale_arcsec : float
        Side of a pixel.
    shape : (int, int)
        Height and width of a stamp, pixels.

    Returns
    -------
    Transfer
        Each band's transfer function as a mix of J <= C principal ones, on the frequencies of the padded
        stamp and where those beyond its Nyquist frequency fold back.

    Raises
    ------
    InputError
        As `mockforge.observe.psf.per_band.models`.
    """
    size = (int(shape[0]), int(shape[1]))
    return _transfer(psf, tuple(bands), float(pixel_scale_arcsec), size, file_stamps(psf))


def psf_fwhm_arcsec(psf: Psf, bands: Sequence[str], pixel_scale_arcsec: float) -> tuple[float, ...]:
    """Full width at half maximum in each band, without the pixel. InputError as `transfer`."""
    optics = _optics(psf, tuple(bands), float(pixel_scale_arcsec), file_stamps(psf))
    return tuple(float(f) for f in optics.fwhm_arcsec)


@dataclass(frozen=True, eq=False)
class Optics:
    """What the transfer functions of all bands share, whatever the stamp."""

    models: tuple[PsfModel, ...]
    rings: tuple[Rings, ...]
    fwhm_arcsec: np.ndarray
    mix: np.ndarray
    """(C, J) each band's PSF in terms of the principal ones."""
    unmix: np.ndarray
    """(J, C) the principal PSFs in terms of the bands'."""
    real: bool
    """The principal transfer functions are real."""
    radial: Radial | None
    """Of round PSFs: the largest of the bands' sizes, then the J principal transfer functions."""
    bound: Radial | None
    """Of round PSFs: what no band exceeds at or beyond a frequency."""

    def at(self, kx: np.ndarray, ky: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the largest of the bands' transfer functions, and the principal ones (J, ...)."""
        if self.radial is not None:
            values = np.moveaxis(self.radial(kx**2 + ky**2), -1, 0)
            return values[0], values[1:]
        transfers = np.stack([model.at(kx, ky) for model in self.models])
        basis = np.tensordot(self.unmix, transfers, axes=1)
        return abs(transfers).max(axis=0), np.real(basis) if self.real else basis

    def most(self, k: np.ndarray) -> np.ndarray:
        """No band's transfer function exceeds this at or beyond |k|."""
        if self.bound is not None:
            return self.bound(k**2)[..., 0]
        return np.where(k <= max(model.highest for model in self.models), np.inf, 0.0)


@lru_cache(maxsize=32)
def _optics(psf: Psf, bands: tuple[str, ...], scale: float, stamps: tuple[Any, ...]) -> Optics:
    psfs = tuple(models(psf, bands))
    rings = tuple(Rings.of(model) for model in psfs)
    fwhm = np.array([ring.fwhm() for ring in rings])
    ky, kx = (np.stack([f + g[i] for g in _ORDER]) for i, f in enumerate(_frequencies((_LOOKED, _LOOKED))))
    transfers = np.stack([model.at(2 * math.pi / scale * kx, 2 * math.pi / scale * ky) for model in psfs])
    mix, unmix = _principal(transfers, np.sinc(ky) * np.sinc(kx))
    basis = np.tensordot(unmix, transfers, axes=1)
    real = bool(abs(np.imag(basis)).max() < 1e-6 * abs(basis).max())
    tables = [model.radial for model in psfs if model.radial is not None]
    if len(tables) < len(psfs):
        return Optics(psfs, rings, fwhm, mix, unmix, real, None, None)
    all_bands = together(tables)
    largest = np.abs(all_bands.values).max(axis=1, keepdims=True)
    principal = all_bands.mixed(unmix)
    values = np.concatenate([largest, principal.values], axis=1)
    return Optics(psfs, rings, fwhm, mix, unmix, real, replace(principal, values=values), all_bands.falling())


@lru_cache(maxsize=32)
def _transfer(
    psf: Psf, bands: tuple[str, ...], scale: float, shape: tuple[int, int], stamps: tuple[Any, ...]
) -> Transfer:
    optics = _optics(psf, bands, scale, stamps)
    reach = max(ring.reach(_OUTSIDE, 0.5 * max(shape) * scale) for ring in optics.rings) / scale
    padding = 2 * max(2, math.ceil(reach))
    grid = (fast_size(shape[0] + padding), fast_size(shape[1] + padding))
    kind = np.float32 if optics.real else np.complex64
    unit = 2 * math.pi / scale
    own, zones = None, []
    for g in _ORDER:
        ky, kx = (f + turn for f, turn in zip(_frequencies(grid), g, strict=True))
        box: tuple[slice, slice] | None = (slice(0, ky.size), slice(0, kx.size))
        if g != (0, 0) and (box := _box(optics, ky, kx, unit)) is None:
            continue
        assert box is not None
        ky, kx = ky[box[0]], kx[:, box[1]]
        largest, basis = optics.at(unit * kx, unit * ky)
        pixel = np.sinc(ky) * np.sinc(kx)
        largest = largest * abs(pixel)
        rows, columns = box
        if g == (0, 0):
            own = np.ascontiguousarray(basis, kind)
            through = basis * pixel
        else:
            indices = np.nonzero(largest > _FOLDED[0])
            if not len(indices[0]):
                continue
            inner = tuple(slice(int(w.min()), int(w.max()) + 1) for w in indices)
            largest, pixel, basis = largest[inner], pixel[inner], basis[(slice(None), *inner)]
            through = basis * (pixel * fading(largest))
            rows, columns = (
                slice(b.start + i.start, b.start + i.stop) for b, i in zip(box, inner, strict=True)
            )
        most = np.ascontiguousarray(largest, np.float32)
        zones.append(Zone(g, rows, columns, np.ascontiguousarray(through, kind), most))
    mix = optics.mix.astype(np.float32)
    return Transfer(shape, grid, optics.fwhm_arcsec, mix, own, tuple(zones), optics, scale)


def _box(optics: Optics, ky: np.ndarray, kx: np.ndarray, unit: float) -> tuple[slice, slice] | None:
    """Rows and columns of a zone outside of which all is below `_FOLDED`; None where it all is."""
    out = []
    for k, other in ((ky.ravel(), kx), (kx.ravel(), ky)):
        most = optics.most(unit * np.hypot(k, abs(other).min())) * np.maximum(abs(np.sinc(k)), 1e-9)
        above = np.flatnonzero(most * abs(np.sinc(other)).max() > _FOLDED[0])
        if not len(above):
            return None
        out.append(slice(int(above[0]), int(above[-1]) + 1))
    return out[0], out[1]


def fading(strength: np.ndarray) -> np.ndarray:
    """0 to 1 over `_FOLDED`, without a corner."""
    low, high = _FOLDED
    place = np.log(np.maximum(strength, low) / low) / math.log(high / low)
    return 0.5 * (1 - np.cos(math.pi * np.minimum(place, 1.0)))


def _frequencies(grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cycles per pixel along y and x of a real transform of the grid."""
    return np.fft.fftfreq(grid[0])[:, None], np.fft.rfftfreq(grid[1])[None, :]


def _principal(each: np.ndarray, pixel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, J) and its inverse (J, C) for (C, ...): as few J as hold every band to `_SHARED`.

    `pixel` (...) is what the pixels leave of each frequency, and so how much it matters.
    """
    parts = (np.real(each * pixel), np.imag(each * pixel))
    flat = np.concatenate([part.reshape(len(each), -1) for part in parts], axis=1)
    square, u = np.linalg.eigh(flat @ flat.T)  # the singular vectors, from a matrix of bands alone
    u = u[:, ::-1] * np.where(u[:, ::-1].sum(axis=0) < 0, -1.0, 1.0)
    s = np.sqrt(np.maximum(square[::-1] / square[-1], 1e-30))
    j = 1
    while j < len(s) and abs(u[:, :j] @ (u[:, :j].T @ flat) - flat).max() > _SHARED:
        j += 1
    return u[:, :j] * s[:j], u[:, :j].T / s[:j, None]
