"""PSF images as users have them: off the middle, even-sided, flat, cut, negative, with a sky."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.files import origins_of
from mockforge.observe.psf.image import centroid, psf_pixels, read_psf_image
from mockforge.observe.psf.spec import Psf, PsfImage
from mockforge.observe.psf.transfer import transfer
from mockforge.profiles.draw import GaussianKnots, draw
from mockforge.profiles.sersic import Sersics

SCALE = 0.06


def gaussian(shape: tuple[int, int], x: float, y: float, fwhm: float = 2.5) -> np.ndarray:
    row, column = np.indices(shape)
    return np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2 / (fwhm / 2.35482) ** 2)


def written(path: Path, pixels: np.ndarray, **cards: object) -> Path:
    unit = fits.PrimaryHDU(pixels.astype(np.float32))
    unit.header.update(cards or {"PIXSCALE": SCALE})
    unit.writeto(path, overwrite=True)
    return path


def moved(path: Path, scale: float | None = None) -> tuple[float, float]:
    """How far, in pixels along x and y, a star is from where it was put, by its windowed centroid."""
    psf = Psf(image=PsfImage(files=(str(path),), pixel_scale_arcsec=scale))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = transfer(psf, ("F814W",), SCALE, (64, 64))

    def one(value: float) -> torch.Tensor:
        return torch.full((1, 1), value, dtype=torch.float64)

    none = Sersics(one(31), one(31), one(1), one(1), one(1), one(0), one(0), one(0))
    star = GaussianKnots(one(31), one(31), one(0.3), one(1))
    sed = torch.tensor([[[0.0, 100.0]]], dtype=torch.float64)
    image = draw(none, star, sed, (64, 64), seen).psf
    assert image is not None
    x, y = centroid(image[0, 0].numpy().astype(np.float64))
    return x - 31, y - 31


@pytest.mark.parametrize(
    ("shape", "x", "y"),
    [
        ((41, 41), 20, 20),  # in the middle
        ((40, 40), 20, 20),  # even, the peak at n / 2
        ((40, 40), 19.5, 19.5),  # even, in its middle
        ((41, 41), 21, 20),
        ((41, 41), 23, 17),
        ((41, 41), 20.3, 19.6),
        ((60, 44), 12, 40),  # cut out beside the star
    ],
)
def test_a_star_is_where_it_was_put(shape, x, y, tmp_path):
    for factor in (1.0, 1e-5, 3e4):  # brought to a sum of 1
        path = written(tmp_path / "psf.fits", factor * gaussian(shape, x, y))
        assert moved(path) == pytest.approx((0, 0), abs=2e-3)


def test_the_origin_in_a_corner_is_what_fourier_transforms_have(tmp_path):
    for side in (41, 40):
        middle = side // 2
        path = written(tmp_path / "psf.fits", np.fft.ifftshift(gaussian((side, side), middle, middle)))
        assert moved(path) == pytest.approx((0, 0), abs=2e-3)
        assert "origin is in the corner" in read_psf_image(path, None).note


def test_noise_in_the_wings_does_not_move_it(tmp_path):
    rng = np.random.default_rng(1)
    noisy = gaussian((101, 101), 52.2, 49.1) + rng.normal(0, 2e-3, (101, 101))
    assert psf_pixels(noisy, "PSF").centre == pytest.approx((52.2, 49.1), abs=0.02)


def test_what_was_done_is_said(tmp_path):
    path = written(tmp_path / "psf.fits", gaussian((41, 41), 23, 17))
    psf = Psf(image=PsfImage(files=("psf.fits",), folder=str(tmp_path)))
    with pytest.warns(UserWarning, match=r"centred on its windowed centroid, x = 23.00, y = 17.00"):
        transfer(psf, ("F814W",), SCALE, (32, 32))
    assert "23.00" in origins_of(psf)[f"PSF image {path}"]
    assert not read_psf_image(written(path, gaussian((41, 41), 20.03, 20)), None).note


def test_what_cannot_be_a_psf_is_refused():
    good, nan = gaussian((41, 41), 20, 20), gaussian((41, 41), 20, 20)
    nan[3, 4] = np.nan
    rows = {
        "flat": (np.ones((41, 41)), "it is flat"),
        "close": (gaussian((7, 7), 3, 3, 9.0), "full width at half maximum"),
        "sky": (good + 0.01, "subtract it"),
        "negative": (-good, "a sum above 0"),
        "zero": (0 * good, "a sum above 0"),
        "difference": (good - 0.7 * gaussian((41, 41), 30, 20), "below zero by"),
        "nan": (nan, "1 of 1681 pixels are not finite"),
        "edge": (gaussian((41, 41), 40, 20), r"centroid is at x = \d+\.\d+, y = 20\.00"),
        "corner": (gaussian((41, 41), 0, 0), r"centroid is at x = \d+\.\d+, y = \d"),
    }
    for name, (pixels, words) in rows.items():
        with pytest.raises(InputError, match=words):
            psf_pixels(pixels, name)


def test_a_scale_card_against_the_wcs(tmp_path):
    wcs = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -SCALE / 3600, "CDELT2": SCALE / 3600}
    wcs |= {"CRVAL1": 10.0, "CRVAL2": 2.0, "CRPIX1": 21.0, "CRPIX2": 21.0}
    pixels = gaussian((41, 41), 20, 20)
    assert read_psf_image(written(tmp_path / "a.fits", pixels, **wcs), None).pixel_scale_arcsec == (
        pytest.approx(SCALE)
    )
    both = written(tmp_path / "b.fits", pixels, PIXSCALE=0.03, **wcs)
    with pytest.raises(InputError, match=r"PIXSCALE is 0\.03 arcsec and the WCS says 0\.06"):
        read_psf_image(both, None)
    assert read_psf_image(both, None, 0.03).pixel_scale_arcsec == 0.03
    oblong = written(tmp_path / "c.fits", pixels, **(wcs | {"CDELT2": 2 * SCALE / 3600}))
    with pytest.raises(InputError, match="not square"):
        read_psf_image(oblong, None)


def test_a_folder_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "psf.fits", gaussian((41, 41), 20, 20))
    psf = Psf(image=PsfImage(files=("psf.fits",), folder="~"))
    assert transfer(psf, ("F814W",), SCALE, (32, 32)).fwhm_arcsec[0] == pytest.approx(0.144, abs=0.002)


@pytest.mark.parametrize("name", ["hst-f606w.fits", "hst-f160w.fits"])
def test_stars_of_real_psfs_are_where_they_were_put(name, shared_data):
    assert moved(shared_data / "psf" / name, SCALE) == pytest.approx((0, 0), abs=0.05)


def test_more_than_one_star_and_one_that_is_dark_in_the_middle():
    y, x = np.indices((41, 41))
    star = [np.exp(-((x - c) ** 2 + (y - 20) ** 2) / 4.0) for c in (10, 30)]
    with pytest.raises(InputError, match="2 places apart"):
        psf_pixels(star[0] + 0.9 * star[1], "PSF")
    psf_pixels(star[0] + 0.05 * star[1], "PSF")
    with pytest.raises(InputError, match="out of focus"):
        r = np.hypot(x - 20, y - 20)
        psf_pixels(np.exp(-((r - 8) ** 2) / 8), "PSF")


@pytest.mark.parametrize(
    ("cards", "scale"),
    [({"PIXSCALE": (60.0, "[mas]")}, 0.06), ({"PIXSCAL1": 0.06, "PIXSCAL2": 0.06}, 0.06),
     ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 2.0}, None)],
)  # fmt: skip
def test_scales_of_headers(cards, scale, tmp_path):
    y, x = np.indices((41, 41)) - 20
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value
    fits.PrimaryHDU(np.exp(-(x**2 + y**2) / 4.0), header).writeto(tmp_path / "p.fits")
    assert read_psf_image(tmp_path / "p.fits", None).pixel_scale_arcsec == scale


def test_a_scale_that_no_instrument_has(tmp_path):
    y, x = np.indices((41, 41)) - 20
    header = fits.Header({"PIXSCALE": 200.0})
    fits.PrimaryHDU(np.exp(-(x**2 + y**2) / 4.0), header).writeto(tmp_path / "p.fits")
    with pytest.raises(InputError, match="PIXSCALE says 200 arcsec"):
        read_psf_image(tmp_path / "p.fits", None)
    assert read_psf_image(tmp_path / "p.fits", None, 200.0).pixel_scale_arcsec == 200


def test_two_images_of_one_psf_are_asked_about(tmp_path):
    y, x = np.indices((41, 41)) - 20
    units = [fits.ImageHDU(np.exp(-(x**2 + y**2) / 4.0), fits.Header({"PIXELSCL": 0.06}), name=name)
             for name in ("OVERSAMP", "DET_SAMP")]  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(tmp_path / "p.fits")
    with pytest.raises(InputError, match=r"p.fits\[OVERSAMP\]"):
        read_psf_image(tmp_path / "p.fits", None)
    assert read_psf_image(tmp_path / "p.fits", "DET_SAMP").pixel_scale_arcsec == 0.06


def test_a_scale_that_was_given_wins_over_the_header_and_it_is_said(tmp_path):
    path = written(tmp_path / "a.fits", gaussian((41, 41), 20, 20), PIXSCALE=0.06)
    for given, said in (
        (0.06, ""),
        (0.0604, ""),
        (0.03, "pixels of 0.03 arcsec, as given; PIXSCALE says 0.06"),
    ):
        found = read_psf_image(path, None, given)
        assert (
            found.pixel_scale_arcsec == given and found.note.endswith(said) and bool(found.note) == bool(said)
        )
    with pytest.warns(UserWarning, match="as given; PIXSCALE says 0.06"):
        transfer(Psf(image=PsfImage(files=(str(path),), pixel_scale_arcsec=0.03)), ("F814W",), 0.03, (32, 32))
