"""The width of the PSF by a header: arcsec or pixels, and what cannot be one."""

import pytest

from mockforge.commands.label import label_image
from mockforge.errors import InputError
from mockforge.field.field import Field
from tests.builders.fits_files import header, image


@pytest.mark.parametrize(
    ("cards", "fwhm", "words"),
    [
        ({"PSFFWHM": 0.8}, 0.8, "FWHM from PSFFWHM"),
        ({"PSF_FWHM": (4.3, "[pixel] median FWHM of stars")}, 0.86, "FWHM from PSF_FWHM (pixels)"),
        ({"PSFFWHM": 0.8, "PSF_FWHM": 0.81}, 0.8, "FWHM from PSFFWHM"),
        ({"PSFFWHM": 0.8, "PSF_FWHM": 1.2}, None, "PSFFWHM = 0.8 arcsec and PSF_FWHM = 1.2 arcsec disagree"),
        ({"PSF_FWHM": 80.0}, None, "PSF_FWHM = 80.0 is no FWHM"),
        ({"PSFFWHM": 0.001}, None, "no FWHM in arcsec in pixels of 0.2"),
        ({"PSFFWHM": 0.0}, None, "no FWHM"),
        ({"PSFFWHM": "0.8"}, None, "no FWHM"),
        ({}, None, "no PSFFWHM"),
    ],
)
def test_the_header_says_how_wide_the_psf_is(cards, fwhm, words, tmp_path):
    head = header("nJy")
    for key, value in cards.items():
        head[key] = value
    field = Field.read(image(tmp_path / "a.fits", head=head))
    assert field.psf_fwhm_arcsec == (None if fwhm is None else (pytest.approx(fwhm),))
    assert words in field.origin["PSF"]


def test_the_users_word_goes_before_the_header(tmp_path):
    path = image(tmp_path / "a.fits", head=header("nJy", PSFFWHM=80.0))
    found = label_image(path, tmp_path / "out", psf_fwhm_arcsec=[0.8])
    assert found.origin["PSF"] == "FWHM as given"
    with pytest.raises(InputError, match=r"0.8, 0.9 for 1 bands"):
        label_image(path, tmp_path / "out", psf_fwhm_arcsec=[0.8, 0.9])
