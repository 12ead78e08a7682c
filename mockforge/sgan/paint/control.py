"""Control: what is requested of a sky, in its model's numbers.

Sources are painted above the atmosphere, so that any depth, any PSF and any pixels can be had; what
sources there are is asked of the model's counts, clustering and population.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.paint.asked import number_of
from mockforge.sgan.paint.noise_asked import Grid, RmsMap, noise_on_sky
from mockforge.sgan.paint.psf_asked import psf_on_sky
from mockforge.sgan.sources.model import Asked as AskedSources
from mockforge.sgan.sources.model import SourceModel

__all__ = ["CONTROLS", "Control", "RmsMap", "check_lattice", "control"]

CONTROLS = (
    "depth", "seeing", "pixel_scale", "density", "counts_slope", "star_fraction", "magnitude_limits",
    "clustering", "colour_shift", "redshift", "rms", "noise",
)  # fmt: skip
"""What may be requested of a sky of a learned model."""
_EDGE = 0.02
"""Light at the edge of a source's stamp, in rms of the noise of a pixel."""
_FINER = 25.0
"""Pixels along one of the field's at most, and the reverse: a PSF finer still fills the memory."""
_MOST_SHIFT = 20.0
"""Magnitudes that a band's colour is shifted at most."""


@dataclass(frozen=True, eq=False)
class Control:
    """What a sky is painted and observed with."""

    sources: SourceModel
    psf: PixelPsf
    pixels_per_psf: float
    """Pixels of the sky along one of the PSF's."""
    noise: NoiseField
    place_drawn: bool
    """Whether the seed chooses where on the noise's map the sky begins; else at its first pixel."""
    grid: Grid
    edge_njy: tuple[float, ...]
    """Light a pixel that a source may have at the edge of its stamp, per band."""

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """FWHM of stars, pixel included, per band."""
        scale = self.grid.scale_arcsec
        return None if not scale else tuple(f * scale for f in self.grid.fwhm_pix)


def control(
    model: ForgeModel,
    *,
    depth: Any = None,
    seeing: Any = None,
    pixel_scale: float | None = None,
    density: float | None = None,
    counts_slope: float | None = None,
    star_fraction: float | None = None,
    magnitude_limits: tuple[float | None, float | None] | None = None,
    clustering: float | None = None,
    colour_shift: Mapping[str, float] | None = None,
    redshift: float | None = None,
    rms: float | Mapping[str, float] | RmsMap | None = None,
    noise: NoiseField | None = None,
) -> Control:
    """Return what is requested of a sky, in the numbers of `model`.

    Parameters
    ----------
    model
        The learned sky.
    depth
        AB magnitude of a point source at 5 sigma, weighted by the PSF of the sky (after `seeing`), in the
        sky's correlated noise; or a survey, whose noise per area the sky gets, and its gain where it is
        known; or either by band.
    seeing
        FWHM of stars in arcsec, pixel included, or a survey, or either by band; sharper than the field's
        too. Or any PSF: a `mockforge.observe.psf.spec.Psf` or a `PixelPsf`.
    pixel_scale
        Arcsec; 1 pixel of the sky.
    density
        Factor on the number of all sources.
    counts_slope
        Of the number of galaxies N(>f) ~ f^-slope below the limit to which they were measured.
    star_fraction
        Stars over all sources.
    magnitude_limits
        Brightest and faintest AB magnitude (of the mean flux over the bands); None for the field's own.
    clustering
        Factor on the two-point function of galaxies; 0 for random places.
    colour_shift
        Magnitudes added to bands by name, the mean flux kept.
    redshift
        No model has one among its marks: an InputError that says so.
    rms
        nJy per pixel instead of `depth`, the same everywhere, by band, or a RmsMap.
    noise
        A noise field instead of the model's, from its first pixel on.

    Raises
    ------
    InputError
        For a band or survey that does not exist, and for what cannot be had.
    """
    if redshift is not None:
        raise InputError(
            f"redshift: the sources of {model.name} have none among their marks (the field it was trained on "
            "has no redshifts); `colour_shift` changes their colours, and the source `scene` has redshifts"
        )
    scale, factor = _pixels(model, pixel_scale)
    psf = psf_on_sky(model, model.psf, seeing, factor, scale)
    per_psf = 1.0
    if seeing is None:
        psf, per_psf = model.psf, factor  # its own samples, not those of a resampling
    fwhm = psf.resampled(per_psf).fwhm_pix
    grid = Grid(factor, scale, tuple(float(f) for f in fwhm))
    field, drawn = noise_on_sky(model, model.noise, grid, depth=depth, rms=rms, noise=noise)
    return Control(
        sources=_sources(
            model,
            density=1.0 if density is None else number_of("density", density),
            counts_slope=None if counts_slope is None else number_of("counts_slope", counts_slope),
            star_fraction=None if star_fraction is None else number_of("star_fraction", star_fraction),
            clustering=1.0 if clustering is None else number_of("clustering", clustering),
            colour_shift=None if colour_shift is None else _shift(model, colour_shift),
            limits=_limits(magnitude_limits),
        ),
        psf=psf,
        pixels_per_psf=per_psf,
        noise=field,
        place_drawn=drawn,
        grid=grid,
        edge_njy=_edge(model, field, factor),
    )


def _pixels(model: ForgeModel, pixel_scale: float | None) -> tuple[float | None, float]:
    """Pixel scale of the sky, and its pixels along a native one."""
    own = model.pixel_scale_arcsec
    if pixel_scale is None:
        return own, 1.0
    if not own:
        raise InputError(
            f"pixel_scale: that of {model.name} is not known, so that arcsec mean nothing; leave it out"
        )
    scale = number_of("pixel_scale", pixel_scale, "arcsec above 0")
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"pixel_scale: should be arcsec above 0, found {scale:g}")
    if not 1 / _FINER <= own / scale <= _FINER:
        raise InputError(
            f"pixel_scale: {model.name} is painted on pixels of {own / _FINER:g} to {own * _FINER:g} arcsec, "
            f"found {scale:g}"
        )
    return scale, own / scale


def _limits(asked: Any) -> tuple[float | None, float | None]:
    """Return the brightest and the faintest magnitude; InputError for what is no such pair."""
    if asked is None:
        return None, None
    if isinstance(asked, str) or not isinstance(asked, Sequence | np.ndarray) or len(asked) != 2:
        raise InputError(
            "magnitude_limits: should be the brightest and the faintest AB magnitude, such as (20.0, 27.5) "
            f"or (None, 25.0), found {asked!r:.80}"
        )
    first, last = (None if v is None else number_of("magnitude_limits", v) for v in asked)
    for value in (first, last):
        if value is not None and not -50 < value < 100:
            raise InputError(f"magnitude_limits: should be AB magnitudes, found {value:g}")
    return first, last


def _sources(model: ForgeModel, limits: tuple[float | None, float | None], **asked: Any) -> SourceModel:
    brightest, faintest = limits
    if brightest is not None and faintest is not None and brightest >= faintest:
        raise InputError(
            f"magnitude_limits: the brightest {brightest:g} should be below the faintest {faintest:g}"
        )
    request = AskedSources(faintest_mag=faintest, brightest_mag=brightest, **asked)
    return model.sources if request == AskedSources() else model.sources.asked(request)


def _shift(model: ForgeModel, shift: Any) -> tuple[float, ...]:
    if not isinstance(shift, Mapping):
        raise InputError(
            f"colour_shift: should be magnitudes by band, such as {{{model.bands[0]!r}: 0.2}}, "
            f"found {shift!r:.80}"
        )
    unknown = [band for band in shift if band not in model.bands]
    if unknown:
        raise InputError(
            f"colour_shift: {model.name} has no band {unknown[0]!r}; it has {', '.join(model.bands)}"
        )
    out = tuple(number_of("colour_shift", shift.get(band, 0.0), "magnitudes") for band in model.bands)
    if not all(abs(v) <= _MOST_SHIFT for v in out):
        raise InputError(f"colour_shift: should be magnitudes, at most {_MOST_SHIFT:g}, found {dict(shift)}")
    return out


def _edge(model: ForgeModel, noise: NoiseField, pixels_per_native: float) -> tuple[float, ...]:
    """Light at the edge of stamps: well below the noise that is seen, and the field's where there is none."""
    own = np.asarray(model.noise.rms_njy, dtype=np.float64) / pixels_per_native
    seen = np.asarray(noise.rms_njy, dtype=np.float64)
    least = np.where(seen > 0, np.minimum(seen, own), own)
    return tuple(float(v) for v in _EDGE * np.maximum(least, 1e-6))


def check_lattice(model: LatticeModel, **asked: Any) -> None:
    """InputError where a model that paints observed pixels is asked for other ones."""
    for name, value in asked.items():
        if value is not None:
            raise InputError(
                f"{name}: {model.name} paints observed pixels, noise and PSF included, and has no {name}"
                " to set; choose a model of the network `forge`"
            )
