"""The surveys that come with the package, a line for each and for each of its bands."""

from __future__ import annotations

from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.psf.of_survey import image_fwhm_arcsec
from mockforge.observe.surveys.read import names, survey


def listed() -> list[str]:
    """Return a line for each survey that comes with the package, and one for each of its bands."""
    out = []
    for name in names():
        chosen = survey(name)
        kind = chosen.depth
        of = "point source" if kind.aperture_arcsec is None else f"{kind.aperture_arcsec:g} arcsec aperture"
        out.append(f"{name}: {chosen.title}; {chosen.pixel_scale_arcsec:g} arcsec pixels")
        for band, numbers in chosen.bands.items():
            width, noise = image_fwhm_arcsec(chosen, band), sky_noise(chosen, band)
            fwhm = "unknown" if width is None else f"{width:.3g} arcsec"
            limit = f"{kind.sigma:g} sigma {of} {numbers.depth_ab:g} AB" if numbers.depth_ab else "no depth"
            how = "measured" if noise.measured else "from the depth"
            tied = "white" if noise.autocorrelation is None else f"lag-1 correlation {noise.lag1:.2f}"
            gain = numbers.electrons_per_njy
            counted = "gain unknown" if gain is None else f"{gain:.3g} e/nJy"
            rms = f"rms {noise.rms_njy:.3g} nJy {how}, {tied}"
            out.append(f"    {band:<8} FWHM {fwhm:<12} {limit}, {rms}, {counted}")
    return out
