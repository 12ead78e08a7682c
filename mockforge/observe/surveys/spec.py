"""What a survey's file says: its pixels and, per band, curve, PSF, depth, noise and gain. Data alone."""

from __future__ import annotations

import math
from typing import Annotated

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError, nearest
from mockforge.names import check_bands
from mockforge.observe.surveys.profiles import Profile, profile
from mockforge.units import electrons_per_njy


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
    """Side of the drops its images were drizzled with, which correlates the noise of neighbouring pixels;
    null: the noise is white."""
    psf: Profile | str | None = None
    """PSF before the pixel: a profile, or the name of one of `profiles.yaml`; null: a Gaussian, or
    the survey's Moffat function, of `fwhm_arcsec`."""
    fwhm_arcsec: Positive | None = None
    """FWHM of the PSF in the survey's images."""
    n_eff_pixels: Positive | None = None
    """Noise-effective pixels of a star, 1 / sum of its squared profile, by which `depth_ab` is
    converted; null: as the PSF has them, averaged over places in a pixel."""
    curve: str | None = None
    """File of the band's curve, from the folder of the survey's file: wavelength and throughput in two
    columns, as a recipe's own bands; null: the curve that comes with the package, if the name has one."""
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
