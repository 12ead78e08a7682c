"""`mockforge degrade` and `mockforge surveys` as a user has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.degrade import coarse_wcs, degrade_field
from mockforge.field.field import Field, tan_wcs
from mockforge.observe.degrade.degrader import coarse_grid
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.surveys.read import names, survey
from mockforge.stages.degrade import Degrade


def call(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words))
    return found.exit_code, found.output


@pytest.fixture
def hubble(tmp_path: Path) -> Path:
    """A noiseless and a noisy star of 10,000 nJy in a small Hubble-like field, with a bad corner."""
    y, x = np.mgrid[:160, :200]
    truth = 1e4 * np.exp(-0.5 * ((x - 90) ** 2 + (y - 70) ** 2) / 1.2**2) / (2 * np.pi * 1.2**2)
    truth = truth[None].astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.3, truth.shape).astype(np.float32)
    mask = np.zeros((160, 200), dtype=bool)
    mask[:30, :30] = True
    field = Field(
        truth + noise, ("F814W",), 0.06, (0.17,), truth=truth, mask=mask,
        wcs=tan_wcs((160, 200), 0.06, ra=53.1, dec=-27.8, rotation_deg=30),
    )  # fmt: skip
    return field.write(tmp_path / "hst.fits")


def test_a_file_becomes_the_survey_s(hubble: Path, tmp_path: Path) -> None:
    out = tmp_path / "hsc.fits"
    code, text = call("degrade", str(hubble), "--to", "hsc-wide", "--target-bands", "hsc_i", "-o", str(out))
    assert code == 0, text
    assert '71 x 57 pixels (x, y) of 0.168"' in text
    with fits.open(out) as units:
        assert [u.name for u in units] == ["PRIMARY", "hsc_i", "VAR_hsc_i", "MASK"]
        image, variance = units["hsc_i"].data, units["VAR_hsc_i"].data
        assert units["hsc_i"].header["BUNIT"] == "nJy" and units["VAR_hsc_i"].header["BUNIT"] == "nJy2"
        assert units[0].header["MFSURVEY"] == "hsc-wide"
    read = Field.read(out)
    assert read.bands == ("hsc_i",) and read.pixel_scale_arcsec == pytest.approx(0.168, rel=1e-6)
    rms = sky_noise(survey("hsc-wide"), "hsc_i").rms_njy
    assert np.sqrt(np.median(variance)) == pytest.approx(rms, rel=0.02)
    assert image[35:, 45:].std() == pytest.approx(rms, rel=0.1)
    assert image.sum() == pytest.approx(1e4, abs=5 * rms * np.sqrt(image.size))
    assert read.mask is not None and read.mask[:9, :9].all() and not read.mask[14:, 14:].any()


def test_the_sky_stays_where_it_was(hubble: Path) -> None:
    field = Field.read(hubble)
    made = degrade_field(field, Degrade(to="lsst-10yr", input="truth", bands=("lsst_i",)), seed=3).field
    assert made.truth is not None and made.truth.sum() == pytest.approx(1e4, rel=1e-3)
    y, x = (np.average(axis, weights=made.truth[0]) for axis in np.indices(made.truth.shape[1:]))
    sky, was = made.wcs.pixel_to_world(x, y), field.wcs.pixel_to_world(90, 70)
    assert sky.separation(was).arcsec < 0.005


def test_a_matrix_as_cd_is_scaled_too() -> None:
    from astropy.wcs import WCS

    header = tan_wcs((100, 100), 0.06).to_header()
    plain = fits.Header({k: header[k] for k in ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")})
    plain.update({"CD1_1": -1.5e-5, "CD1_2": 2e-6, "CD2_1": 2e-6, "CD2_2": 1.5e-5})
    wcs, grid = WCS(plain), coarse_grid((100, 100), 2.8)
    coarse = coarse_wcs(wcs, grid)
    for y, x in ((0.0, 0.0), (20.0, 33.0)):
        fine = (grid.start[1] + 2.8 * x, grid.start[0] + 2.8 * y)
        assert coarse.pixel_to_world(x, y).separation(wcs.pixel_to_world(*fine)).arcsec < 1e-6


def test_what_cannot_be_done_is_said_in_a_sentence(hubble: Path, tmp_path: Path) -> None:
    out, blind = str(tmp_path / "x.fits"), tmp_path / "blind.yaml"
    blind.write_text(
        "{title: Blind, pixel_scale_arcsec: 0.2, bands: {g: {rms_njy: 2}}, sources: {rms_njy: a paper}}"
    )
    for words, wanted in (
        (["--to", "hsc-wyde"], "did you mean 'hsc-wide'"),
        (["--to", "roman-hlwas-medium"], "--target-bands"),
        (["--to", "hsc-wide", "--target-bands", "hsc_i,hsc_r"], "2 bands of"),
        (["--to", "hsc-wide", "--target-bands", "hsc_i", "--set", "seing=1"], "unknown key"),
        (["--to", str(blind), "--target-bands", "g"], "width of its PSF in g is not known"),
    ):
        code, text = call("degrade", str(hubble), "-o", out, *words)
        assert code == 2 and wanted in text and "Traceback" not in text
    bare = Field(np.random.default_rng(1).normal(size=(1, 40, 40)).astype(np.float32), ("F814W",), 0.06)
    path = str(bare.write(tmp_path / "bare.fits"))
    code, text = call("degrade", path, "--to", "hsc-wide", "--target-bands", "hsc_i", "-o", out)
    assert code == 2 and "PSF of the image is unknown" in text and "--psf-fwhm" in text
    assert not Path(out).exists()


def test_a_psf_that_was_given_is_no_unknown_one(tmp_path: Path) -> None:
    bare = Field(np.random.default_rng(1).normal(size=(1, 60, 60)).astype(np.float32), ("F814W",), 0.06)
    path, out = str(bare.write(tmp_path / "bare.fits")), str(tmp_path / "o.fits")
    code, text = call("degrade", path, "--to", "hsc-wide", "--psf-fwhm", "0.12", "-o", out)
    assert code == 0 and "PSF: as given" in text and "not known: no PSFFWHM" not in text


def test_surveys_are_listed_with_their_sources() -> None:
    code, text = call("surveys")
    assert code == 0 and all(name in text for name in names())
    code, text = call("surveys", "hst-xdf")
    assert code == 0 and "sources:" in text and "Illingworth" in text
    assert call("surveys", "hst-xdff")[0] == 2


def test_a_psf_may_be_an_extension_of_a_file(hubble: Path, tmp_path: Path) -> None:
    y, x = np.indices((33, 33)) - 16
    psf = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    sky = np.random.default_rng(3).normal(size=(60, 60))
    units = [fits.ImageHDU(sky, name="VIS"), fits.ImageHDU(psf, name="VIS_PSF"), fits.ImageHDU(sky, name="Y")]
    path, out = tmp_path / "a,b.fits", str(tmp_path / "o.fits")
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(path)
    words = ["degrade", str(hubble), "--to", "hsc-wide", "--target-bands", "hsc_i", "--psf-scale", "0.06"]
    code, text = call(*words, "--psf", f"{path}[VIS_PSF]", "-o", out)
    assert code == 0 and "PSF: as given" in text
    code, text = call(*words, "--psf", str(path), "-o", out)
    assert code == 2 and "a,b.fits[VIS_PSF]" in text
    code, text = call("label", f"{path}[VI]", "--out", str(tmp_path / "l"))
    assert code == 2 and "VIS" in text and "VIS_PSF'?" not in text
