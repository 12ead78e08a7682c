"""PixelPsf: flux, pixel scales, seeing, PSFs that are given, files that are damaged."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.psf.spec import Gaussian, Moffat, Psf, PsfImage
from mockforge.sgan.instrument.given import from_files, from_spec, from_widths
from mockforge.sgan.instrument.psf import PixelPsf


@pytest.fixture(scope="module")
def psf():
    return PixelPsf.from_moffat((3.3, 4.2), (2.6, 3.5), pixel_scale_arcsec=0.2)


def test_the_transfer_function_is_the_image_and_keeps_the_flux(psf):
    wide = np.fft.fftshift(np.fft.irfft2(psf.transfer(256)), axes=(1, 2))
    np.testing.assert_allclose(wide[:, 64:193, 64:193], psf.image, atol=1e-7)
    small = np.fft.irfft2(psf.transfer(16))  # wings come in on the other side
    np.testing.assert_allclose(small.sum(axis=(1, 2)), 1.0, rtol=1e-6)
    assert small.min() > 0
    for scale in (0.7, 1.7):
        assert psf.transfer(32, scale)[0, 0, 0] == 1


def test_widths_are_measured_between_pixels(psf):
    np.testing.assert_allclose(psf.fwhm_pix, (3.3, 4.2), rtol=2e-3)
    y, x = np.indices((65, 65)) - 32
    wide = np.exp(-0.5 * (x**2 + y**2) / 8.0**2)
    np.testing.assert_allclose(PixelPsf(wide[None] / wide.sum()).fwhm_pix, 8 * 2.3548, rtol=1e-3)


@pytest.mark.parametrize(("scale", "fwhm"), [(0.5, 1.83), (2.0, 6.41)])
def test_on_other_pixels_it_is_the_same_psf_on_the_sky(psf, scale, fwhm):
    other = psf.resampled(scale)
    assert other.pixel_scale_arcsec == pytest.approx(0.2 / scale)
    np.testing.assert_allclose(other.image.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    within = other.light_within(8.0 * scale) - psf.light_within(8.0)
    assert np.abs(within).max() < 3e-3
    # the new pixel's response in the place of the old one's: the width from a fine grid of boxes
    assert other.fwhm_pix[0] == pytest.approx(fwhm, rel=0.01)


def test_seeing_can_be_worse_or_better(psf):
    for wanted in ((2.5, 2.8), (5.0, 6.0)):
        found = psf.scaled(wanted)
        np.testing.assert_allclose(found.fwhm_pix, wanted, rtol=1e-3)
        np.testing.assert_allclose(found.image.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(psf.broadened(5.0).fwhm_pix, 5.0, rtol=1e-3)
    with pytest.raises(
        InputError, match=r"3.3 pixels wide \(FWHM\), found 3 asked for; convolving makes it no"
    ):
        psf.broadened(3.0)
    with pytest.raises(InputError, match=r"below that of a pixel alone; paint on smaller pixels"):
        psf.scaled(0.3)


def test_a_given_image_is_centred_and_a_wrong_one_refused(psf):
    moved = np.roll(psf.image, (2, -3), (1, 2))
    again = PixelPsf.from_image(moved * 7.0)
    np.testing.assert_allclose(again.image, psf.image, atol=1e-6)
    even = PixelPsf.from_image(psf.image[0, 40:90, 40:90])
    assert even.side == 65 and even.image[0].argmax() == 32 * 65 + 32
    with pytest.raises(InputError, match=r"PSF image, band 1: 1 of 4225 pixels are not finite"):
        bad = np.ones((65, 65))
        bad[3, 3] = np.nan
        PixelPsf.from_image(bad)


def test_psfs_of_recipes_lie_on_the_pixels(psf, tmp_path):
    from astropy.io import fits

    bands = ("g", "r")
    found = from_spec(Psf(moffat=Moffat(fwhm_arcsec=(0.6, 0.8), beta=3.0)), bands, 0.2)
    np.testing.assert_allclose(found.fwhm_pix, np.hypot((3.0, 4.0), 0.75), rtol=0.01)
    sharp = from_spec(Psf(gaussian=Gaussian(fwhm_arcsec=0.1)), ("g",), 0.2)
    assert sharp.at_native().image[0, 64, 64] == pytest.approx(0.9812**2, abs=0.01)  # all but in one pixel
    with pytest.raises(InputError, match=r"needs the pixel scale, which this field does not have"):
        from_spec(Psf(gaussian=Gaussian(fwhm_arcsec=0.1)), ("g",), None)
    fits.writeto(tmp_path / "p.fits", psf.image[0])
    spec = PsfImage(files=("p.fits",), folder=str(tmp_path))
    np.testing.assert_allclose(from_files(spec, bands, None).image[1], psf.image[0], atol=1e-6)
    finer = PsfImage(files=("p.fits",), folder=str(tmp_path), pixel_scale_arcsec=0.1)
    assert from_files(finer, bands, 0.2).fwhm_pix[0] == pytest.approx(1.83, rel=0.02)


def test_kept_and_read_again_or_refused(psf):
    np.testing.assert_array_equal(PixelPsf.from_arrays(psf.to_arrays(), 2).image, psf.image)
    with pytest.raises(InputError, match=r"one image per band \(3\) is expected"):
        PixelPsf.from_arrays(psf.to_arrays(), 3)
    with pytest.raises(InputError, match=r"has no `psf`: it is damaged"):
        PixelPsf.from_arrays({}, 2)
    for bad, words in (
        (psf.image * 1.1, "each band should add up to 1, found 1.1, 1.1"),
        (psf.image * np.nan, "all its pixels should be finite"),
        (psf.image[:, 1:, 1:], "odd squares"),
        (psf.image[:, 40:-40, 40:-40], "sides of 65 to 1025 pixels are expected, found 49"),
        (np.roll(psf.image, 30, 1), r"brightest near its middle .* is \+0, \+30"),
    ):
        with pytest.raises(InputError, match=words):
            PixelPsf.from_arrays({"psf": bad}, 2)


def test_a_star_between_pixels_does_not_ring():
    y, x = np.indices((129, 129)) - 64
    image = PixelPsf.from_moffat(3.0, 2.5).image.astype(np.float64)[0]
    image += 2e-3 * image.max() * (-1.0) ** y * (np.hypot(x, y) < 1.5)  # an error at the Nyquist frequency
    psf = PixelPsf(image[None] / image.sum())

    def ripple(psf: PixelPsf) -> float:
        """Alternation of the rows in the column through a star half a pixel off, over the peak."""
        ky = np.fft.fftfreq(129)[:, None]
        star = np.fft.irfft2(psf.transfer(129)[0] * np.exp(-1j * np.pi * ky), s=(129, 129))
        rows = star[12:40, 0]
        return float(np.abs(rows[1:-1] - 0.5 * (rows[:-2] + rows[2:])).max() / star.max())

    limited = psf.band_limited()
    assert ripple(psf) > 4 * ripple(limited) and ripple(limited) < 2e-4
    np.testing.assert_allclose(limited.fwhm_pix, psf.fwhm_pix, rtol=1e-2)
    coarse = PixelPsf.from_moffat(1.3, 2.5)
    np.testing.assert_array_equal(coarse.band_limited().image, coarse.image)


def test_a_psf_that_pixels_undersample_is_right_between_them():
    import galsim

    from mockforge.sgan.light.painter import SourcePainter
    from mockforge.sgan.sources.marks import Marks

    n, bands = 6, ("F606W",)
    given = from_spec(Psf(moffat=Moffat(fwhm_arcsec=0.075, beta=3.0)), bands, 0.06)
    again = PixelPsf.from_arrays(given.to_arrays(), 1, 0.06)
    assert given.samples == again.samples > 1
    at = np.random.default_rng(3).uniform(20.0, 21.0, (2, n))
    one, none = np.ones(n), np.zeros(n)
    stars = Marks(
        x=at[0], y=at[1], flux=np.ones((n, 1)), log_radius=none, e1=none, e2=none, log_n=none,
        star=one > 0, shaped=none > 0, z=np.zeros((n, 0), np.float32), mirrored=none > 0,
    )  # fmt: skip
    painted = SourcePainter(again, None, 1e-4).paint_on(stars, 64)
    for x, y, image in zip(*at, painted, strict=True):
        whole = galsim.Moffat(beta=3.0, fwhm=1.25).drawImage(
            galsim.ImageD(64, 64), scale=1.0, center=(x - np.rint(x) + 33, y - np.rint(y) + 33)
        )
        assert np.abs(image[0] - whole.array).max() < 3e-3 * whole.array.max()
    assert given.at_native().samples == 1


def test_sharp_widths_are_those_of_stars_on_the_pixels():
    found = from_widths((1.5, 3.0), 3.0, 2, None)
    assert found.samples > 1
    np.testing.assert_allclose(found.fwhm_pix, (1.5, 3.0), rtol=0.01)
    with pytest.raises(InputError, match="below that of a pixel alone"):
        from_widths(0.7, 3.0, 1, None)
