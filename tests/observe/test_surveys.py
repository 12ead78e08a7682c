"""Presets say where their numbers come from, and give the noise that was measured elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.depth import rms_of_aperture_depth, rms_of_psf_depth
from mockforge.observe.surveys import names, survey, survey_psf

MINE = """\
title: Mine
pixel_scale_arcsec: 0.25
depth: {sigma: 10, aperture_arcsec: 2.0, total: true}
moffat_beta: 3.0
bands:
  g: {depth_ab: 24.0, fwhm_arcsec: 1.0, zeropoint_e: 28.0, exposure_s: 100}
sources: {depth_ab: a paper}
"""


@pytest.mark.parametrize("name", names())
def test_every_kind_of_number_in_a_preset_has_a_source(name: str) -> None:
    chosen = survey(name)
    kinds = {"pixel_scale_arcsec"} | {
        key for band in chosen.bands.values() for key, value in vars(band).items() if value is not None
    }
    assert kinds == set(chosen.sources)
    assert all(chosen.rms_njy(band) > 0 for band in chosen.bands)


def test_hsc_wide_has_the_noise_of_its_images() -> None:
    """Variances of HSC Wide coadds at zeropoint 27, as xlens (mr-superonion/xlens) lists them."""
    measured = {"g": 1.4e-3, "r": 2.9e-3, "i": 4.7e-3, "z": 19e-3, "y": 85e-3}
    for band, variance in measured.items():
        rms = variance**0.5 * 10 ** (0.4 * (31.4 - 27.0))
        assert survey("hsc-wide").rms_njy(f"hsc_{band}") == pytest.approx(rms, rel=0.2)


def test_noise_of_an_area_does_not_depend_on_the_pixel() -> None:
    chosen = survey("lsst-10yr")
    assert chosen.rms_njy("lsst_r", 0.1) == pytest.approx(0.5 * chosen.rms_njy("lsst_r", 0.2))
    assert chosen.rms_njy("lsst_r") == pytest.approx(rms_of_psf_depth(27.5, 0.2, 0.81))


def test_gain_is_electrons_of_a_nanojansky() -> None:
    band = survey("lsst-10yr").band("lsst_r")
    assert band.electrons_per_njy == pytest.approx(5520 * 10 ** (-0.4 * (31.4 - 28.10)))
    assert survey("kids-dr4").band("kids_r").electrons_per_njy is None


def test_a_survey_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    chosen = survey(str(path))
    in_aperture = rms_of_aperture_depth(24.0, 0.25, 2.0, sigma=10)
    assert 0.7 < chosen.rms_njy("g") / in_aperture < 0.99  # some of the star lies outside
    psf = survey_psf(str(path), ["g"])
    assert psf.moffat is not None and psf.moffat.beta == 3.0
    path.write_text(MINE.replace("24.0", "25.0"))
    assert survey(str(path)).band("g").depth_ab == 25.0


def test_the_psf_of_a_survey_is_narrower_than_its_images() -> None:
    psf = survey_psf("hsc-wide", ["hsc_i", "hsc_g"])
    assert psf.gaussian is not None
    i, g = psf.gaussian.fwhm_arcsec  # type: ignore[misc]
    assert 0.59 < i < 0.61 and 0.78 < g < 0.79
    with pytest.raises(InputError, match="width of its PSF in kids_i is not known"):
        survey_psf("kids-dr4", ["kids_i"])


def test_wrong_files_name_every_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace("0.25", "-1").replace("exposure_s", "exposure"))
    with pytest.raises(InputError) as error:
        survey(str(path))
    assert f"{path}:2: pixel_scale_arcsec: should be > 0" in str(error.value)
    assert f"{path}:6: bands.g.exposure" in str(error.value)
    path.write_text(MINE.replace("fwhm_arcsec: 1.0, ", ""))
    with pytest.raises(InputError, match="depths of point sources need fwhm_arcsec; missing: g"):
        survey(str(path))
    path.write_text("title: [")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        survey(str(path))
    with pytest.raises(InputError, match="no such file"):
        survey(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match="did you mean 'hsc-wide'"):
        survey("hsc-wid")
    with pytest.raises(InputError, match="no band 'lsst_q'"):
        survey("lsst-10yr").band("lsst_q")


def test_drizzled_noise_hangs_together_as_in_the_xdf(shared_data: Path) -> None:
    from astropy.io import fits

    from mockforge.observe.existing import own_noise

    for band in ("f105w", "f160w"):
        path = shared_data / "xdf_cutouts" / f"xdf_hst_wfc3ir_60mas_{band}_sci.fits"
        measured = own_noise(fits.getdata(path)[None, None])[0].autocorrelation
        preset = survey("hst-xdf").autocorrelation(band.upper())
        assert measured is not None and preset is not None
        middle, reach = measured.shape[0] // 2, preset.shape[0] // 2
        near = measured[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        assert near == pytest.approx(preset, abs=0.1)  # faint galaxies tie pixels too


def test_the_psf_of_a_preset_is_exact_after_its_pixel() -> None:
    import galsim

    for name, band in (("candels-goodss-deep", "F606W"), ("euclid-wide", "VIS"), ("hsc-wide", "hsc_i")):
        psf, scale = survey_psf(name, [band]).gaussian, survey(name).pixel_scale_arcsec
        assert psf is not None
        star = galsim.Convolve(galsim.Gaussian(fwhm=psf.fwhm_arcsec[0]), galsim.Pixel(scale))  # type: ignore[index]
        fine = 0.05 * scale
        row = star.drawImage(nx=401, ny=1, scale=fine, method="no_pixel", dtype=float).array[0]
        half = np.interp(-0.5 * row.max(), -row[200:], fine * np.arange(201))
        assert 2 * half == pytest.approx(survey(name).band(band).fwhm_arcsec, rel=2e-3)
