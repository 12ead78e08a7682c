"""Surveys as data: pixel scale, PSF, noise, depth and gain per band, each number with its source.

A survey is a YAML file: those in `presets/` by name, a user's own by path, all of one form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError, nearest
from mockforge.files import Stamp, from_home, stamp
from mockforge.names import check_bands
from mockforge.observe.noise.depth import electrons_per_njy
from mockforge.observe.noise.sky_noise import SkyNoise, sky_noise
from mockforge.observe.psf.models import Model, Rings, effective_area, gaussian, moffat, with_pixels
from mockforge.observe.psf.profiles import Profile, profile, profile_model

if TYPE_CHECKING:
    from mockforge.observe.psf.transfer import Psf

PRESETS = Path(__file__).parent / "presets"


@config
class SurveyBand:
    """One band of a survey."""

    depth_ab: Annotated[float, Limit(ge=0, le=40)] | None = None
    """Limiting magnitude, of the kind the survey's `depth` says."""
    rms_njy: Positive | None = None
    """Rms of empty sky in the survey's own pixels, nJy, as measured on its images: goes before `depth_ab`."""
    lag1_correlation: Annotated[float, Limit(ge=0, lt=1)] | None = None
    """Correlation of the noise of neighbouring pixels, as measured; those farther off follow as a
    Gaussian. null: as `drop_arcsec` says."""
    drop_arcsec: Positive | None = None
    """Side of the drops its images were drizzled with, which ties the noise of neighbouring pixels;
    null: the noise is white."""
    psf: Profile | str | None = None
    """PSF before the pixel: a profile, or the name of one of `profiles.yaml`; null: a Gaussian, or
    the survey's Moffat function, of `fwhm_arcsec`."""
    fwhm_arcsec: Positive | None = None
    """FWHM of the PSF in the survey's images."""
    n_eff_pixels: Positive | None = None
    """Noise-effective pixels of a star, 1 / sum of its squared profile, by which `depth_ab` is
    converted; null: as the PSF has them, averaged over places in a pixel."""
    wavelength_um: Positive | None = None
    """Pivot wavelength, by which a band of another name finds it; null: that of the band's curve."""
    zeropoint_e: Annotated[float, Limit(ge=0, le=50)] | None = None
    """AB magnitude of a source that gives one electron a second."""
    exposure_s: Positive | None = None
    """Time of all exposures of a place together, seconds."""

    def __post_init__(self) -> None:
        if self.depth_ab is None and self.rms_njy is None:
            raise ValueError("needs depth_ab, or rms_njy")
        if self.depth_ab is not None and not math.isfinite(self.depth_ab):
            raise ValueError("depth_ab should be a number")
        if self.lag1_correlation is not None and self.drop_arcsec is not None:
            raise ValueError(
                "lag1_correlation and drop_arcsec both set the correlation of the noise; give one"
            )
        if isinstance(self.psf, str):
            try:
                profile(self.psf)
            except InputError as error:
                raise ValueError(str(error)) from error

    @property
    def electrons_per_njy(self) -> float | None:
        """Electrons counted for one nJy; None where it is not known."""
        if self.zeropoint_e is None or self.exposure_s is None:
            return None
        return float(electrons_per_njy(self.zeropoint_e, self.exposure_s))


@config
class DepthKind:
    """What the limiting magnitudes of a survey are."""

    sigma: Positive = 5.0
    """Flux over its error at the limit."""
    aperture_arcsec: Positive | None = None
    """Diameter of the aperture; null: a point source weighted by its PSF."""
    total: bool = False
    """With an aperture: total magnitudes of point sources, not the flux in the aperture."""


@config
class Survey:
    """A survey's images."""

    title: str
    """What it is called."""
    pixel_scale_arcsec: Annotated[float, Limit(gt=0, le=100)]
    """Size of its own pixels."""
    bands: dict[str, SurveyBand]
    """Its bands, from blue to red."""
    sources: dict[str, str]
    """Where the numbers come from: kind of number -> paper or page."""
    depth: DepthKind = DepthKind()
    """What `depth_ab` means."""
    moffat_beta: float | None = None
    """Index of the Moffat profile of its PSF; null: a Gaussian."""
    fwhm_includes_pixel: bool = True
    """Whether `fwhm_arcsec` was measured on pixels, or is that of the light before them."""

    def __post_init__(self) -> None:
        if not self.bands:
            raise ValueError("bands should name at least one band")
        check_bands(self.bands)
        if self.moffat_beta is not None and self.moffat_beta <= 1.1:
            raise ValueError(f"moffat_beta should be > 1.1, found {self.moffat_beta:g}")
        if not self.sources:
            raise ValueError("sources should say where the numbers come from")
        if self.depth.aperture_arcsec is None or self.depth.total:
            unknown = [
                name
                for name, band in self.bands.items()
                if band.rms_njy is None and not (band.fwhm_arcsec or band.psf or band.n_eff_pixels)
            ]
            if unknown:
                raise ValueError(f"depths of point sources need fwhm_arcsec; missing: {', '.join(unknown)}")

    def band(self, name: str) -> SurveyBand:
        """One band; InputError with the nearest name."""
        if name not in self.bands:
            raise InputError(f"{self.title}: no band {name!r}{nearest(name, self.bands)}")
        return self.bands[name]

    def noise(
        self, name: str, pixel_scale_arcsec: float | None = None, autocorrelation: np.ndarray | None = None
    ) -> SkyNoise:
        """Return the noise of empty sky in pixels of this size, see `mockforge.observe.noise.sky_noise`."""
        return sky_noise(self, name, pixel_scale_arcsec, autocorrelation)

    def autocorrelation(self, name: str, pixel_scale_arcsec: float | None = None) -> np.ndarray | None:
        """Return that of the noise in pixels of this size (by default the survey's own); None: white."""
        return self.noise(name, pixel_scale_arcsec).autocorrelation

    def rms_njy(
        self, name: str, pixel_scale_arcsec: float | None = None, autocorrelation: np.ndarray | None = None
    ) -> float:
        """Rms of the sky, nJy, in a pixel of this size (by default the survey's own).

        `autocorrelation` takes the place of the survey's, as in `noise`.
        """
        return self.noise(name, pixel_scale_arcsec, autocorrelation).rms_njy

    def psf_model(self, name: str) -> Model:
        """Return the PSF of a band before the pixel. InputError where its width is not known."""
        band = self.band(name)
        if band.psf is not None:
            return profile_model(profile(band.psf) if isinstance(band.psf, str) else band.psf)
        return _round(self.psf_fwhm_arcsec(name), self.moffat_beta)

    def psf_fwhm_arcsec(self, name: str) -> float:
        """FWHM of a band's PSF before the pixel. InputError where it is not known."""
        band = self.band(name)
        if band.psf is not None:
            return Rings.of(self.psf_model(name)).fwhm()
        if band.fwhm_arcsec is None:
            raise InputError(
                f"{self.title}: the width of its PSF in {name} is not known; give a PSF of your own"
            )
        if not self.fwhm_includes_pixel:
            return band.fwhm_arcsec
        return _before_pixel(band.fwhm_arcsec, self.moffat_beta, self.pixel_scale_arcsec)

    def fwhm_arcsec(self, name: str) -> float | None:
        """FWHM of the PSF in the survey's images, pixel included; None where it is not known."""
        band = self.band(name)
        if band.fwhm_arcsec is not None and self.fwhm_includes_pixel:
            return band.fwhm_arcsec
        if band.fwhm_arcsec is None and band.psf is None:
            return None
        return _rings(self.psf_model(name), self.pixel_scale_arcsec).fwhm()

    def effective_area(self, name: str) -> float:
        """Area in arcsec^2 over which a star of the survey's images gathers noise, pixel included."""
        known = self.band(name).n_eff_pixels
        if known is not None:
            return known * self.pixel_scale_arcsec**2
        return _area(self.psf_model(name), self.pixel_scale_arcsec)

    def encircled(self, name: str, radius_arcsec: float) -> float:
        """Share of a star's light within a radius in the survey's images."""
        return float(_rings(self.psf_model(name), self.pixel_scale_arcsec).inside(np.array(radius_arcsec)))


def names() -> tuple[str, ...]:
    """Return the surveys that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def is_file(name: str) -> bool:
    """Whether `name` is a path of a survey's file, not the name of a preset."""
    return name not in names()


def survey(name: str) -> Survey:
    """Return a survey by name, or read from the YAML file of that path.

    InputError names the nearest survey, or every wrong line of the file.
    """
    path = _path(name)
    return _read(str(path), stamp(path))


def survey_psf(name: str, bands: Sequence[str]) -> Psf:
    """Return the PSF of a survey in its `bands`, before the pixel: its profile, Moffat function or Gaussian.

    InputError where the survey lacks a band or the width of its PSF.
    """
    from mockforge.observe.psf.transfer import Gaussian, Moffat, Psf

    chosen = survey(name)
    known = [chosen.band(band).psf for band in bands]
    if all(one is not None for one in known):
        return Psf(profile=tuple(profile(one) if isinstance(one, str) else one for one in known))  # type: ignore[misc]
    if any(one is not None for one in known):
        raise InputError(f"{chosen.title}: give `psf` for all of {', '.join(bands)}, or for none")
    widths = tuple(chosen.psf_fwhm_arcsec(band) for band in bands)
    if chosen.moffat_beta is not None:
        return Psf(moffat=Moffat(fwhm_arcsec=widths, beta=chosen.moffat_beta))
    return Psf(gaussian=Gaussian(fwhm_arcsec=widths))


def survey_models(name: str, bands: Sequence[str]) -> list[Model]:
    """Return the PSF of each band. InputError where the survey lacks a band or the width of its PSF."""
    chosen = survey(name)
    return [chosen.psf_model(band) for band in bands]


def _round(fwhm: float, beta: float | None) -> Model:
    return gaussian(fwhm) if beta is None else moffat(fwhm, beta)


@lru_cache(maxsize=256)
def _rings(model: Model, pixel: float) -> Rings:
    return Rings.of(with_pixels(model, pixel))


@lru_cache(maxsize=256)
def _area(model: Model, pixel: float) -> float:
    return effective_area(with_pixels(model, pixel))


@lru_cache(maxsize=256)
def _before_pixel(fwhm: float, beta: float | None, pixel: float) -> float:
    """Return the FWHM of the Gaussian or Moffat function that has `fwhm` after square pixels.

    It is the mean of all directions. InputError where a pixel alone is as wide.
    """
    from scipy.optimize import brentq

    def excess(width: float) -> float:
        return Rings.of(with_pixels(_round(width, beta), pixel)).fwhm() - fwhm

    if pixel >= 0.95 * fwhm:
        raise InputError(
            f"a FWHM of {fwhm:g} arcsec is not wider than a pixel of {pixel:g} arcsec; set"
            " fwhm_includes_pixel: false where it is that of the light before the pixel"
        )
    guess = math.sqrt(fwhm**2 - 0.9 * pixel**2 * 8.0 * math.log(2.0) / 12.0)
    found = brentq(excess, 0.8 * guess, min(1.2 * guess, 1.01 * fwhm), xtol=1e-5 * fwhm)
    return float(found)  # type: ignore[arg-type]


def listed() -> list[str]:
    """Return a line for each survey that comes with the package, and one for each of its bands."""
    out = []
    for name in names():
        chosen = survey(name)
        kind = chosen.depth
        of = "point source" if kind.aperture_arcsec is None else f"{kind.aperture_arcsec:g} arcsec aperture"
        out.append(f"{name}: {chosen.title}; {chosen.pixel_scale_arcsec:g} arcsec pixels")
        for band, numbers in chosen.bands.items():
            width, noise = chosen.fwhm_arcsec(band), chosen.noise(band)
            fwhm = "unknown" if width is None else f"{width:.3g} arcsec"
            limit = f"{kind.sigma:g} sigma {of} {numbers.depth_ab:g}" if numbers.depth_ab else "no depth"
            how = "measured" if noise.measured else "from the depth"
            tied = "white" if noise.autocorrelation is None else f"lag-1 correlation {noise.lag1:.2f}"
            gain = numbers.electrons_per_njy
            counted = "gain unknown" if gain is None else f"{gain:.3g} e/nJy"
            rms = f"rms {noise.rms_njy:.3g} nJy {how}, {tied}"
            out.append(f"    {band:<8} FWHM {fwhm:<12} {limit}, {rms}, {counted}")
    return out


def text(name: str) -> str:
    """Return a survey's file, with the sources of its numbers. InputError as `survey`."""
    survey(name)
    return _path(name).read_text(encoding="utf-8")


def own_file(name: str | None) -> dict[str, Path]:
    """Return the file of a survey of the user's own, as `files_read` gives it.

    Empty for a preset and for None.
    """
    return {f"file {name}": _path(name)} if name and is_file(name) else {}


def _path(name: str) -> Path:
    if name in names():
        return PRESETS / f"{name}.yaml"
    path = from_home(name)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise InputError(
            f"{name}: no such file; give the path of a survey's YAML, or one of {', '.join(names())}"
        )
    raise InputError(f"unknown survey {name!r}, and no YAML file of that path{nearest(name, names())}")


@cache
def _read(path: str, changed: Stamp) -> Survey:
    """Return the survey in a file; `changed` makes a file that was edited be read again."""
    from pydantic import TypeAdapter, ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="rt").load(Path(path).read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: should be the fields of a survey: title, pixel_scale_arcsec, bands, sources"
        )
    try:
        return TypeAdapter(Survey).validate_python(document)
    except ValidationError as error:
        lines = [f"{path}{_line(document, e['loc'])}: {_problem(e)}" for e in error.errors()]
        raise InputError("\n".join(lines)) from error


def _line(document: Any, loc: tuple[int | str, ...]) -> str:
    """`:7` where the faulty key, or the part of the file it should be in, is in line 7."""
    line: int = 0
    for key in loc:
        if not hasattr(document, "lc") or key not in document:
            break
        line, document = document.lc.key(key)[0] + 1, document[key]
    return f":{line}" if line else ""


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    found = error.get("input")
    what = error["msg"].removeprefix("Value error, ")
    shown = f" (found {found!r})" if isinstance(found, (str, int, float)) else ""
    return f"{place}: {what[:1].lower() + what[1:]}{shown}" if place else what
