"""Presets say where their numbers come from, and give the noise that was measured elsewhere."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.degrade.noise import TargetNoise
from mockforge.observe.noise.depth import rms_of_aperture_depth, rms_of_psf_depth
from mockforge.observe.noise.existing import own_noise
from mockforge.observe.noise.pixels import unit_noise
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.observe.psf.models import Rings, with_pixels
from mockforge.observe.psf.of_survey import image_fwhm_arcsec, psf_model, survey_psf
from mockforge.observe.psf.per_band import models
from mockforge.observe.survey_list import listed
from mockforge.observe.surveys.read import names, survey
from mockforge.rng import Stream

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
    assert all(sky_noise(chosen, band).rms_njy > 0 for band in chosen.bands)


def test_hsc_wide_has_the_noise_of_its_images() -> None:
    """Variances of HSC Wide coadds at zeropoint 27, as xlens (mr-superonion/xlens) lists them."""
    measured = {"g": 1.4e-3, "r": 2.9e-3, "i": 4.7e-3, "z": 19e-3, "y": 85e-3}
    for band, variance in measured.items():
        rms = variance**0.5 * 10 ** (0.4 * (31.4 - 27.0))
        assert sky_noise(survey("hsc-wide"), f"hsc_{band}").rms_njy == pytest.approx(rms, rel=0.2)


def test_noise_of_an_area_does_not_depend_on_the_pixel() -> None:
    chosen = survey("lsst-10yr")
    assert sky_noise(chosen, "lsst_r", 0.1).rms_njy == pytest.approx(
        0.5 * sky_noise(chosen, "lsst_r", 0.2).rms_njy
    )
    assert sky_noise(chosen, "lsst_r").rms_njy == pytest.approx(rms_of_psf_depth(27.5, 0.2, 0.81))


def test_gain_is_electrons_of_a_nanojansky() -> None:
    band = survey("lsst-10yr").band("lsst_r")
    assert band.electrons_per_njy == pytest.approx(5520 * 10 ** (-0.4 * (31.4 - 28.10)))


@pytest.mark.parametrize("name", names())
def test_every_band_of_a_preset_has_a_gain_a_psf_and_a_depth(name: str) -> None:
    chosen = survey(name)
    for band, numbers in chosen.bands.items():
        assert (numbers.electrons_per_njy or 0) > 0 and numbers.depth_ab is not None
        assert image_fwhm_arcsec(chosen, band) == pytest.approx(
            Rings.of(with_pixels(psf_model(chosen, band), chosen.pixel_scale_arcsec)).fwhm(),
            rel=0.11,  # widths on undersampled images are those of what interpolates them
        )


def test_shot_and_sky_noise_of_candels_are_of_one_exposure() -> None:
    """As the XDF's, scaled with the noise in an aperture that the two limits give."""
    deep, deepest = survey("candels-goodss-deep"), survey("hst-xdf")
    for name, band in deep.bands.items():
        other = deepest.band(name)
        flux = 10 ** (-0.4 * ((band.depth_ab or 0) - (other.depth_ab or 0)))
        assert band.exposure_s == pytest.approx((other.exposure_s or 0) / (flux * 0.35 / 0.34) ** 2, rel=0.01)


MEASURED = {
    "hst-cosmos": {"F814W": (0.39, 0.48)},
    "euclid-wide": {
        "VIS": (1.44, 0.205),
        "NISP_Y": (2.5, 0.84),
        "NISP_J": (2.2, 0.84),
        "NISP_H": (2.2, 0.84),
    },
    "hsc-wide": {"hsc_g": (2.07, 0.0), "hsc_r": (2.97, 0.0), "hsc_i": (3.28, 0.0)},
    "hst-xdf": {"F160W": (0.064, 0.53), "F105W": (0.0525, 0.53)},
}  # fmt: skip
"""Rms (nJy) of the survey's own pixels, and correlation of neighbours, on real images."""


@pytest.mark.parametrize("name", MEASURED)
def test_noise_is_that_of_real_images_for_observe_degrade_and_the_list(name: str) -> None:
    chosen = survey(name)
    for band, (rms, lag1) in MEASURED[name].items():
        noise = sky_noise(chosen, band)
        assert noise.measured
        assert (noise.rms_njy, noise.lag1) == (pytest.approx(rms, rel=0.03), pytest.approx(lag1, abs=0.01))
        model = pixel_noise(Noise(survey=name), (band,), chosen.pixel_scale_arcsec)
        target = TargetNoise(Noise(survey=name), (band,), (0.1,)).pixel(0, chosen.pixel_scale_arcsec)
        assert model.rms[0] == target.rms[0] == noise.rms_njy
        made = unit_noise((40, 1, 64, 64), model.autocorrelation, Stream(1).torch()).numpy()
        found = (made[..., 1:] * made[..., :-1]).mean() / made.var()
        assert found == pytest.approx(lag1, abs=0.02)
        said = f"rms {noise.rms_njy:.3g} nJy measured, "
        said += f"lag-1 correlation {noise.lag1:.2f}" if lag1 else "white"
        assert any(line.startswith(f"    {band} ") and said in line for line in listed())


@pytest.mark.parametrize(
    ("name", "band"), [("hst-xdf", "F160W"), ("euclid-wide", "NISP_H"), ("hst-xdf", "F606W")]
)
def test_noise_over_large_areas_is_the_same_in_pixels_of_any_size(name: str, band: str) -> None:
    chosen = survey(name)
    own = sky_noise(chosen, band)
    for times in (1.3, 2.0, 5.0):
        other = sky_noise(chosen, band, times * chosen.pixel_scale_arcsec)
        assert other.white_njy == pytest.approx(times * own.white_njy, rel=0.02)
        assert other.lag1 < own.lag1
    white = sky_noise(chosen, band, None, np.ones((1, 1)))
    assert white.rms_njy == pytest.approx(own.white_njy) and white.lag1 == 0


def test_noise_in_larger_pixels_is_that_of_means_over_the_survey_s_own() -> None:
    """F160W of the XDF in pixels of 0.12 arcsec: sums of 2 x 2, of noise made at 0.06."""
    chosen = survey("hst-xdf")
    own = sky_noise(chosen, "F160W")
    made = own.rms_njy * unit_noise((60, 1, 128, 128), own.autocorrelation, Stream(3).torch()).numpy()[:, 0]
    sums = made.reshape(60, 64, 2, 64, 2).sum(axis=(2, 4))
    coarse = sky_noise(chosen, "F160W", 0.12)
    assert coarse.rms_njy == pytest.approx(sums.std(), rel=0.03)
    assert coarse.lag1 == pytest.approx((sums[..., 1:] * sums[..., :-1]).mean() / sums.var(), abs=0.05)


def test_nisp_s_noise_is_the_rms_map_s_over_large_areas(shared_data: Path) -> None:
    """Maps of rms are of uncorrelated noise; the scatter of pixels is a quarter of it."""
    from astropy.io import fits

    with fits.open(shared_data / "psf" / "euclid_group.fits") as units:
        for band in "YJH":
            image, rms = units[f"NIR_{band}_FLUX"], units[f"NIR_{band}_RMS"].data
            njy = 10 ** (0.4 * (31.4 - image.header["MAGZERO"]))
            noise = sky_noise(survey("euclid-wide"), f"NISP_{band}")
            assert noise.white_njy == pytest.approx(np.median(rms) * njy, rel=0.1)
            assert noise.rms_njy == pytest.approx(own_noise(image.data[None, None])[0].rms * njy, rel=0.1)


def test_shot_noise_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shot: true needs the gain; give electrons_per_njy"):
        Noise(rms_njy=1.0, shot=True)
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace(", zeropoint_e: 28.0, exposure_s: 100", ""))
    assert pixel_noise(Noise(survey=str(path)), ("g",), 0.2).electrons is None
    with pytest.raises(InputError, match="has none for g; give electrons_per_njy"):
        pixel_noise(Noise(survey=str(path), shot=True), ("g",), 0.2)
    with pytest.raises(ValueError, match="has none for g"):
        Noise(survey=str(path), shot=True, survey_bands=("g",))
    assert pixel_noise(Noise(survey=str(path), shot=True, electrons_per_njy=2.0), ("g",), 0.2).electrons == [
        2.0
    ]


def test_a_survey_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    chosen = survey(str(path))
    in_aperture = rms_of_aperture_depth(24.0, 0.25, 2.0, sigma=10)
    assert 0.7 < sky_noise(chosen, "g").rms_njy / in_aperture < 0.99  # some of the star lies outside
    psf = survey_psf(str(path), ["g"])
    assert psf.moffat is not None and psf.moffat.beta == 3.0
    path.write_text(MINE.replace("24.0", "25.0"))
    assert survey(str(path)).band("g").depth_ab == 25.0


def test_the_psf_of_a_survey_is_narrower_than_its_images() -> None:
    i, g = (
        Rings.of(m).fwhm() for m in models(survey_psf("hsc-wide", ["hsc_i", "hsc_g"]), ["hsc_i", "hsc_g"])
    )
    assert 0.58 < i < 0.61 and 0.77 < g < 0.79
    with pytest.raises(InputError, match="no band 'hsc_q'"):
        survey_psf("hsc-wide", ["hsc_q"])


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

    for band in ("f105w", "f160w"):
        path = shared_data / "xdf_cutouts" / f"xdf_hst_wfc3ir_60mas_{band}_sci.fits"
        measured = own_noise(fits.getdata(path)[None, None])[0].autocorrelation
        preset = sky_noise(survey("hst-xdf"), band.upper()).autocorrelation
        assert measured is not None and preset is not None
        middle, reach = measured.shape[0] // 2, preset.shape[0] // 2
        near = measured[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        assert near == pytest.approx(preset, abs=0.1)  # faint galaxies tie pixels too


@pytest.mark.parametrize(
    ("name", "band"), [("hsc-wide", "hsc_i"), ("kids-dr4", "kids_r"), ("lsst-10yr", "lsst_y")]
)
def test_the_psf_of_a_preset_has_its_width_after_its_pixel(name: str, band: str) -> None:
    chosen = survey(name)
    before, scale = Rings.of(psf_model(chosen, band)).fwhm(), chosen.pixel_scale_arcsec
    star = galsim.Convolve(galsim.Moffat(beta=chosen.moffat_beta, fwhm=before), galsim.Pixel(scale))
    fine = 0.05 * scale
    row = star.drawImage(nx=401, ny=1, scale=fine, method="no_pixel", dtype=float).array[0]
    half = np.interp(-0.5 * row.max(), -row[200:], fine * np.arange(201))
    assert 2 * half == pytest.approx(image_fwhm_arcsec(chosen, band), rel=4e-3)
