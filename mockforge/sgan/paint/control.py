"""Control: the depth, seeing and density of sources requested of a sky, in its model's numbers.

Depth is the noise of the forward model, so any can be had; seeing is a further convolution of the
noiseless sky, so any broader one; density is a condition of the network, within what its field taught.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.noise.depth import rms_of_psf_depth
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.psf.of_survey import image_fwhm_arcsec
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.asked import Asked, by_band, survey_of
from mockforge.sgan.paint.blur import gaussian_kernels
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class RmsMap:
    """The sky rms over a field, nJy per pixel, between whose meshes it runs linearly."""

    njy: np.ndarray
    """(bands, ny, nx): element (i, j) belongs to the square from pixel (i, j) times `mesh`."""
    mesh: int
    """Side of a square in pixels."""


@dataclass(frozen=True)
class Control:
    """What a sky is painted and observed with."""

    instrument: Instrument
    """The model's own, with the noise that was requested."""
    psf_fwhm_arcsec: tuple[float, ...] | None
    """FWHM of the stars, per band, after the added blur."""
    blur: tuple[tuple[float, ...], ...] = ()
    """The added blur along an axis, (bands, 2 radius + 1); empty: none."""
    condition: float | None = None
    """c of the density that was requested; None: as it varies over the field."""
    place_drawn: bool = True
    """Whether the seed chooses where on the instrument's map of the rms the sky begins; else at its
    first pixel."""

    @property
    def radius(self) -> int:
        """Pixels that the added blur reaches."""
        return len(self.blur[0]) // 2 if self.blur else 0


def control(
    model: SganModel,
    *,
    depth: Asked | None = None,
    seeing: Asked | None = None,
    density: float | None = None,
    rms: float | Mapping[str, float] | RmsMap | None = None,
) -> Control:
    """Return what is requested of a sky, in the numbers of `model`.

    `depth`: AB magnitude of a point source at 5 sigma, weighted by the PSF of the sky (after
    `seeing`), in the sky's correlated noise; or a survey, whose noise per area the sky gets, and
    its gain where it is known. `rms`: nJy per pixel instead, the same everywhere, or a RmsMap.
    `seeing`: FWHM of stars in arcsec, pixel included, or a survey's. `density`: of sources,
    relative to the field's mean.

    Where the model knows a gain, it goes with the depth as if the exposure were longer or shorter:
    with 1 / rms^2. Raises InputError for a band or survey that does not exist, a survey without the
    number, a seeing sharper than the model's, a density beyond what was taught, and for what a
    model that paints observed pixels cannot do.
    """
    _possible(model, depth=depth, seeing=seeing, rms=rms)
    if depth is not None and rms is not None:
        raise InputError("depth and rms both set the noise of the sky; give one of them")
    fwhm, blur = _seeing(model, seeing)
    out = Control(model.instrument, fwhm, blur, _condition(model, density))
    if isinstance(rms, RmsMap):
        return replace(out, instrument=_mapped(model, rms), place_drawn=False)
    if depth is None and rms is None:
        return out
    return replace(out, **_noisy(model, _noise(model, depth, rms, fwhm)))


def depths_ab(model: SganModel, made: Control) -> tuple[float, ...] | None:
    """AB magnitude of a point source at 5 sigma, PSF-weighted, per band; None where the PSF is not known."""
    if not model.clean or made.psf_fwhm_arcsec is None or not model.pixel_scale_arcsec:
        return None
    out = []
    for i, rms in enumerate(made.instrument.rms_njy):
        unit = _rms_of(model, i, ZEROPOINT_NJY, made.psf_fwhm_arcsec[i])  # rms goes with flux
        out.append(ZEROPOINT_NJY - 2.5 * math.log10(rms / unit) if rms > 0 else math.inf)
    return tuple(out)


def _possible(model: SganModel, **asked: Any) -> None:
    """InputError where a model that paints observed pixels is asked for other ones."""
    for name, value in asked.items():
        if value is not None and not model.clean:
            raise InputError(
                f"{name}: {model.name} paints observed pixels, noise and PSF included, and has no {name}"
                " to set; choose a model of the network `forge`"
            )


def _scale(name: str, model: SganModel) -> float:
    if not model.pixel_scale_arcsec:
        raise InputError(f"{name}: the pixel scale of {model.name} is not known, so that arcsec mean nothing")
    return model.pixel_scale_arcsec


def _fwhm(name: str, model: SganModel, band: int, known: tuple[float, ...] | None) -> float:
    if known is None or not known[band] > 0:
        raise InputError(
            f"{name}: the PSF of {model.name} in {model.bands[band]} is not known, its field had too few"
            " stars; choose another model"
        )
    return known[band]


def _noise(
    model: SganModel, depth: Asked | None, rms: Asked | None, fwhm: tuple[float, ...] | None
) -> list[tuple[float, float] | None]:
    """Rms (nJy) and electrons for a nJy, 0 where not known, of each band; None: as the field has them."""
    if rms is not None:
        levels = by_band("rms", model, rms, lambda v: v >= 0, "nJy per pixel, 0 or more")
        return [None if v is None else _with_gain(model, i, _as_rms(v)) for i, v in enumerate(levels)]
    scale = _scale("depth", model)
    noise: list[tuple[float, float] | None] = []
    for i, value in enumerate(by_band("depth", model, depth, lambda v: 0 < v < 40, "an AB magnitude")):
        if value is None:
            noise.append(None)
        elif isinstance(value, str):
            chosen, band = survey_of("depth", model, value, model.bands[i])
            level = sky_noise(chosen, band, scale, autocorrelation(model.instrument, i)).rms_njy
            gain = chosen.band(band).electrons_per_njy
            noise.append(_with_gain(model, i, level) if gain is None else (level, gain))
        else:
            noise.append(_with_gain(model, i, _rms_of(model, i, value, _fwhm("depth", model, i, fwhm))))
    return noise


def _noisy(model: SganModel, asked: list[tuple[float, float] | None]) -> dict[str, Any]:
    """Return the instrument with the rms and gain that are requested.

    Bands without keep theirs and their map.
    """
    own = model.instrument
    had = zip(own.rms_njy, own.electrons_per_njy or (0.0,) * len(model.bands), strict=True)
    rows = [old if new is None else new for old, new in zip(had, asked, strict=True)]
    electrons = tuple(gain for _, gain in rows)
    noise = replace(
        own, rms_njy=tuple(rms for rms, _ in rows), electrons_per_njy=electrons if any(electrons) else ()
    )
    if own.rms_map:
        even = tuple((1.0,) * len(row) for row in own.rms_map[0])
        maps = tuple(m if new is None else even for m, new in zip(own.rms_map, asked, strict=True))
        noise = replace(noise, rms_map=maps if None in asked else ())
    return {"instrument": noise, "place_drawn": None in asked}


def _as_rms(value: float | str) -> float:
    if isinstance(value, str):
        raise InputError(f"rms: should be nJy per pixel, found {value!r}")
    return float(value)


def _with_gain(model: SganModel, band: int, rms: float) -> tuple[float, float]:
    """Return the rms and the gain of an exposure that has it: background-limited, rms^2 ~ 1 / time."""
    gains = model.instrument.electrons_per_njy
    if not gains or rms == 0:
        return rms, 0.0
    return rms, gains[band] * (model.instrument.rms_njy[band] / rms) ** 2


def _rms_of(model: SganModel, band: int, magnitude: float, fwhm: float) -> float:
    """Rms of a pixel (nJy) that a limit for point sources needs; `fwhm` in arcsec, pixel included."""
    correlation = autocorrelation(model.instrument, band)
    return rms_of_psf_depth(magnitude, _scale("depth", model), fwhm, autocorrelation=correlation)


def autocorrelation(instrument: Instrument, band: int) -> np.ndarray:
    """Return that of an instrument's noise in a band: its kernel's, (2L+1, 2L+1), 1 at the centre."""
    kernel = np.asarray(instrument.noise_kernel[band], dtype=np.float64)
    size = 2 * len(kernel) - 1
    power = np.abs(np.fft.rfft2(kernel, (size, size))) ** 2
    out = np.fft.fftshift(np.fft.irfft2(power, (size, size)))
    return out / out[size // 2, size // 2]


def _mapped(model: SganModel, asked: RmsMap) -> Instrument:
    """Return the instrument with the noise of a map."""
    rms = np.asarray(asked.njy, dtype=np.float64)
    good = rms.ndim == 3 and len(rms) == len(model.bands) and rms.size > 0
    if not good or not np.isfinite(rms).all() or (rms <= 0).any() or asked.mesh < 1:
        raise InputError(
            f"rms: a map (bands, y, x) of {len(model.bands)} bands of nJy above 0 and a mesh of at least 1"
            f" pixel are expected, found {rms.shape}, mesh {asked.mesh}"
        )
    middle = np.median(rms, axis=(1, 2))
    relative = rms / middle[:, None, None]
    return replace(
        model.instrument,
        rms_njy=tuple(middle.tolist()),
        rms_map=tuple(tuple(tuple(row) for row in band) for band in relative.tolist()),
        rms_mesh=asked.mesh,
    )


def _seeing(
    model: SganModel, asked: Asked | None
) -> tuple[tuple[float, ...] | None, tuple[tuple[float, ...], ...]]:
    """FWHM of the stars in arcsec, and the added blur of each band."""
    if asked is None:
        return model.psf_fwhm_arcsec, ()
    scale, widths, added = _scale("seeing", model), [], []
    for i, value in enumerate(by_band("seeing", model, asked, lambda v: v > 0, "a FWHM in arcsec above 0")):
        if value is None:
            widths.append((model.psf_fwhm_arcsec or (math.nan,) * len(model.bands))[i])
            added.append(0.0)
            continue
        own, band = _fwhm("seeing", model, i, model.psf_fwhm_arcsec), model.bands[i]
        fwhm = _survey_fwhm(model, value, band) if isinstance(value, str) else float(value)
        if fwhm < own * (1.0 - 1e-6):
            raise InputError(
                f"seeing: {fwhm:.3g} arcsec in {band} is sharper than the {own:.3g} arcsec of {model.name},"
                " and a sky can only be blurred further; give at least that"
            )
        widths.append(fwhm)
        added.append(math.sqrt(max(fwhm**2 - own**2, 0.0)) / scale)
    return tuple(widths), gaussian_kernels(tuple(added))


def _survey_fwhm(model: SganModel, asked: str, band: str) -> float:
    """FWHM of stars in the survey's images, arcsec, pixel included."""
    chosen, own = survey_of("seeing", model, asked, band)
    fwhm = image_fwhm_arcsec(chosen, own)
    if fwhm is None:
        raise InputError(f"seeing: the width of the PSF of {chosen.title} in {own} is not known; give arcsec")
    return fwhm


def _condition(model: SganModel, density: float | None) -> float | None:
    """c of the density that is requested; None: none is."""
    if density is None:
        return None
    if model.density is None:
        raise InputError(
            f"density: {model.name} was not trained with the density of sources as a condition; leave "
            "density out, or train a model with network.forge.density=true"
        )
    return model.density.condition(density)
