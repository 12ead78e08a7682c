"""Surveys as data: pixel scale, PSF, depth and gain per band, each number with its source.

A survey is a YAML file: those in `presets/` by name, a user's own by path, all of one form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError, nearest
from mockforge.files import Stamp, stamp
from mockforge.names import check_bands
from mockforge.observe.correlation import drizzle_autocorrelation
from mockforge.observe.depth import electrons_per_njy, rms_of_depth, with_pixel

if TYPE_CHECKING:
    from mockforge.observe.psf import Psf

PRESETS = Path(__file__).parent / "presets"


@config
class SurveyBand:
    """One band of a survey."""

    depth_ab: Annotated[float, Limit(ge=0, le=40)]
    """Limiting magnitude, of the kind the survey's `depth` says."""
    fwhm_arcsec: Positive | None = None
    """FWHM of the PSF in the survey's images."""
    zeropoint_e: Annotated[float, Limit(ge=0, le=50)] | None = None
    """AB magnitude of a source that gives one electron a second."""
    exposure_s: Positive | None = None
    """Time of all exposures of a place together, seconds."""
    drop_arcsec: Positive | None = None
    """Side of the drops its images were drizzled with, which ties the noise of neighbouring pixels;
    null: the noise is white."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.depth_ab):
            raise ValueError("depth_ab should be a number")

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
            unknown = [name for name, band in self.bands.items() if band.fwhm_arcsec is None]
            if unknown:
                raise ValueError(f"depths of point sources need fwhm_arcsec; missing: {', '.join(unknown)}")

    def band(self, name: str) -> SurveyBand:
        """One band; InputError with the nearest name."""
        if name not in self.bands:
            raise InputError(f"{self.title}: no band {name!r}{nearest(name, self.bands)}")
        return self.bands[name]

    def autocorrelation(self, name: str, pixel_scale_arcsec: float | None = None) -> np.ndarray | None:
        """That of the noise in pixels of this size (by default the survey's own); None: white."""
        drop = self.band(name).drop_arcsec
        if drop is None:
            return None
        return drizzle_autocorrelation(drop / (pixel_scale_arcsec or self.pixel_scale_arcsec))

    def rms_njy(
        self, name: str, pixel_scale_arcsec: float | None = None, autocorrelation: np.ndarray | None = None
    ) -> float:
        """Rms of the sky, nJy, in a pixel of this size (by default the survey's own).

        The noise of an area is the survey's, so the rms goes with the side of a pixel.
        """
        band = self.band(name)
        fwhm = band.fwhm_arcsec or 0.0
        return rms_of_depth(
            band.depth_ab,
            pixel_scale_arcsec or self.pixel_scale_arcsec,
            sigma=self.depth.sigma,
            aperture=self.depth.aperture_arcsec,
            total=self.depth.total,
            fwhm=fwhm if self.fwhm_includes_pixel else with_pixel(fwhm, self.pixel_scale_arcsec),
            beta=self.moffat_beta,
            autocorrelation=autocorrelation,
        )


def names() -> tuple[str, ...]:
    """The surveys that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def is_file(name: str) -> bool:
    """Whether `name` is a path of a survey's file, not the name of a preset."""
    return name not in names()


def survey(name: str) -> Survey:
    """A survey by name, or read from the YAML file of that path.

    InputError names the nearest survey, or every wrong line of the file.
    """
    path = _path(name)
    return _read(str(path), stamp(path))


def survey_psf(name: str, bands: Sequence[str]) -> Psf:
    """The PSF of a survey in its `bands`, before the pixel: a Gaussian, or its Moffat profile.

    InputError where the survey lacks a band or the width of its PSF.
    """
    from mockforge.observe.psf import Gaussian, Moffat, Psf

    chosen = survey(name)
    widths = []
    for band in bands:
        fwhm = chosen.band(band).fwhm_arcsec
        if fwhm is None:
            raise InputError(
                f"{chosen.title}: the width of its PSF in {band} is not known; give a PSF of your own"
            )
        own = chosen.pixel_scale_arcsec
        widths.append(_before_pixel(fwhm, own) if chosen.fwhm_includes_pixel else fwhm)
    if chosen.moffat_beta is not None:
        return Psf(moffat=Moffat(fwhm_arcsec=tuple(widths), beta=chosen.moffat_beta))
    return Psf(gaussian=Gaussian(fwhm_arcsec=tuple(widths)))


def _before_pixel(fwhm: float, pixel: float) -> float:
    """FWHM of the Gaussian that has `fwhm`, across the middle of a star, after square pixels.

    Across the middle the light is erf((x + pixel/2) / s) - erf((x - pixel/2) / s), s = sqrt(2) sigma.
    InputError where a pixel alone is as wide.
    """
    from scipy.optimize import brentq
    from scipy.special import erf

    def excess(width: float) -> float:
        s = width / math.sqrt(4.0 * math.log(2.0))
        half, middle = (erf((x + pixel / 2) / s) - erf((x - pixel / 2) / s) for x in (fwhm / 2, 0.0))
        return float(half / middle) - 0.5

    if excess(0.05 * fwhm) > 0:
        raise InputError(
            f"a FWHM of {fwhm:g} arcsec is not wider than a pixel of {pixel:g} arcsec; set"
            " fwhm_includes_pixel: false where it is that of the light before the pixel"
        )
    return float(brentq(excess, 0.05 * fwhm, 1.01 * fwhm, xtol=1e-10))  # type: ignore[arg-type]


def listed() -> list[str]:
    """A line for each survey that comes with the package, and one for each of its bands."""
    out = []
    for name in names():
        chosen = survey(name)
        kind = chosen.depth
        of = "point source" if kind.aperture_arcsec is None else f"{kind.aperture_arcsec:g} arcsec aperture"
        out.append(f"{name}: {chosen.title}; {chosen.pixel_scale_arcsec:g} arcsec pixels")
        for band, numbers in chosen.bands.items():
            fwhm = "unknown" if numbers.fwhm_arcsec is None else f"{numbers.fwhm_arcsec:.3g} arcsec"
            limit = f"{kind.sigma:g} sigma {of} {numbers.depth_ab:g}"
            rms = chosen.rms_njy(band, None, chosen.autocorrelation(band))
            out.append(f"    {band:<8} FWHM {fwhm:<12} {limit}, rms {rms:.3g} nJy")
    return out


def text(name: str) -> str:
    """A survey's file, with the sources of its numbers. InputError as `survey`."""
    survey(name)
    return _path(name).read_text(encoding="utf-8")


def own_file(name: str | None) -> dict[str, Path]:
    """The file of a survey of the user's own, as `files_read` gives it; empty for a preset and for None."""
    return {f"file {name}": _path(name)} if name and is_file(name) else {}


def _path(name: str) -> Path:
    if name in names():
        return PRESETS / f"{name}.yaml"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise InputError(
            f"{name}: no such file; give the path of a survey's YAML, or one of {', '.join(names())}"
        )
    raise InputError(
        f"unknown survey {name!r}{nearest(name, names())}; or the path of a YAML file of your own"
    )


@cache
def _read(path: str, changed: Stamp) -> Survey:
    """The survey in a file; `changed` makes a file that was edited be read again."""
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
