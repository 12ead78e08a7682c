"""Stage 1: the PSF of fields whose PSF is known."""

import types

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.label.extract import less_background
from mockforge.observe.psf.spec import PsfImage
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.psf.page import left_over, psf_facts, psf_picture
from mockforge.sgan.learn.psf.stage import PsfChoice, field_psf, measure_psf

RMS = 10.0
SIDE = 900


def add(image, psf, x, y, flux, radius=0.0, q=1.0, angle=0.0):
    """A star, or a galaxy: an exponential disk, through the PSF (C, 129, 129)."""
    side = psf.side
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    column, row = round(x), round(y)
    turn = np.exp(-2j * np.pi * (fy * (y - row + side // 2) + fx * (x - column + side // 2)))
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = (fy * np.cos(angle) - fx * np.sin(angle)) * q
    disk = (1 + (2 * np.pi * radius / 1.678) ** 2 * (along**2 + across**2)) ** -1.5
    stamps = np.fft.irfft2(psf.transfer(side) * turn * disk, s=(side, side))
    half = side // 2
    top, left = max(row - half, 0), max(column - half, 0)
    bottom, right = min(row + half + 1, SIDE), min(column + half + 1, SIDE)
    cut = stamps[:, top - row + half : bottom - row + half, left - column + half : right - column + half]
    image[:, top:bottom, left:right] += flux * cut


def field(stars, galaxies, psf, seed=1, limit=np.inf):
    rng = np.random.default_rng(seed)
    image = np.zeros((psf.bands, SIDE, SIDE))
    for i in range(stars):
        x, y = rng.uniform(20, SIDE - 20, 2)
        add(image, psf, x, y, 10 ** rng.uniform(4.0, 5.3) if i > 1 else 4e6)
    for _ in range(galaxies):
        x, y = rng.uniform(0, SIDE, 2)
        size, shape = np.exp(rng.normal(np.log(2.5), 0.5)), (rng.uniform(0.2, 1.0), rng.uniform(0, np.pi))
        add(image, psf, x, y, 10 ** rng.uniform(3.0, 4.5), size, *shape)
    image += rng.normal(0, RMS, image.shape)
    return np.minimum(image, limit).astype(np.float32)


def test_the_psf_of_stars_among_galaxies_is_found_with_its_wings():
    true = PixelPsf.from_moffat((3.0, 3.6), (2.6, 3.5))
    image = field(40, 150, true, limit=9e4)  # the two brightest stars are saturated
    found = measure_psf(image, np.zeros(image.shape[1:], dtype=bool))
    radii = np.array([1, 2, 4, 8, 16])
    apart = found.psf.light_within(radii) - true.light_within(radii)
    assert np.abs(apart).max() < 0.006, apart
    np.testing.assert_allclose(found.psf.fwhm_pix, true.fwhm_pix, rtol=0.01)
    assert abs(found.psf.light_within(32.0) - true.light_within(32.0)).max() < 0.01
    assert found.psf.image[0, 64, 64] == found.psf.image[0].max()


def test_a_field_without_stars_says_so_and_asks_for_a_psf():
    image = field(0, 250, PixelPsf.from_moffat((3.0, 3.6), 3.0))
    with pytest.raises(InputError, match=r"stars cannot be told from galaxies in band .*psf: \{fwhm_pix"):
        measure_psf(image, np.zeros(image.shape[1:], dtype=bool))


def test_noise_alone_has_too_few_sources_for_a_psf():
    image = np.random.default_rng(2).normal(0, RMS, (1, 300, 300)).astype(np.float32)
    with pytest.raises(InputError, match=r"too few to tell stars from galaxies; give the PSF"):
        measure_psf(image, np.zeros(image.shape[1:], dtype=bool))


def test_the_page_shows_each_half_of_the_stars_under_the_psf_of_the_other():
    true = PixelPsf.from_moffat((3.0,), 3.0)
    image = field(40, 0, true)
    found = measure_psf(image, np.zeros(image.shape[1:], dtype=bool))
    facts = psf_facts(found.psf, ("r",), found)
    (rings,) = facts["stars under the PSF of other stars: light left over in rings, % of the flux"]
    assert max(abs(v) for k, v in rings.items() if k != "band") < 0.5
    assert facts["PSF"][0]["stars"] > 20
    assert psf_picture(found.psf).shape[2] == 3
    assert psf_facts(true, ("r",))["from"] == "given in the recipe"


def test_a_given_psf_is_taken_and_two_are_refused():
    made = types.SimpleNamespace(bands=("g", "r"), pixel_scale_arcsec=None)
    psf, measured = field_psf(made, PsfChoice(fwhm_pix=(3.0, 4.0)))
    np.testing.assert_allclose(psf.fwhm_pix, (3.0, 4.0), rtol=0.01)
    assert measured is None
    with pytest.raises(ValueError, match="are two PSFs"):
        PsfChoice(image=PsfImage(files=("a.fits",)), fwhm_pix=3.0)


def test_stars_of_a_real_field_have_no_ring_too_much(shared_data):
    field = Field.read(shared_data / "kids_viking" / "r.fits", bands=("r",), zeropoint=0.0)
    image = np.ascontiguousarray(field.image[:, :1100, 1500:])
    mask = np.zeros(image.shape[1:], dtype=bool)
    found = measure_psf(less_background(image, mask, 128), mask)
    assert 2.4 < found.psf.fwhm_pix[0] < 2.7
    assert 0.1 < 1 - found.psf.light_within(6.0)[0] < 0.18  # wings are kept
    rings = left_over(found.bands[0].stamps, "r")
    assert max(abs(v) for v in rings.values()) < 0.6, rings  # % of the flux, stars not in the PSF
