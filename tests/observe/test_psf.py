"""PSFs against galsim's, and against what a user would measure on them."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.observe.psf.models import Rings
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Airy, Gaussian, Moffat, Psf, PsfImage
from mockforge.observe.psf.transfer import transfer

HST = {
    "F435W": "hst-f435w.fits",
    "F606W": "hst-f606w.fits",
    "F850LP": "hst-f850lp.fits",
    "F160W": "hst-f160w.fits",
}


def write(path: Path, image: np.ndarray, scale: float | None = 0.06) -> str:
    unit = fits.PrimaryHDU(image.astype(np.float32))
    if scale is not None:
        unit.header["PIXSCALE"] = scale
    unit.writeto(path)
    return path.name


@pytest.mark.parametrize(
    ("psf", "theirs"),
    [
        (Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), galsim.Gaussian(fwhm=0.15)),
        (Psf(moffat=Moffat(fwhm_arcsec=0.7, beta=2.5)), galsim.Moffat(beta=2.5, fwhm=0.7)),
        (Psf(moffat=Moffat(fwhm_arcsec=0.2, beta=4.8)), galsim.Moffat(beta=4.8, fwhm=0.2)),
        (
            Psf(airy=Airy(diameter_m=2.4, obscuration=0.33, wavelength_um=(0.814,))),
            galsim.Airy(lam=814, diam=2.4, obscuration=0.33),
        ),
        (Psf(airy=Airy(diameter_m=1.2, wavelength_um=(1.5,))), galsim.Airy(lam=1500, diam=1.2)),
    ],
)
def test_transfer_functions_are_galsims(psf, theirs):
    (model,) = models(psf, ("F814W",))
    k = np.linspace(0, 1.1 * model.highest, 60)
    ours = model.at(0.6 * k, 0.8 * k)
    wanted = [theirs.kValue(0.6 * v, 0.8 * v).real for v in k]
    np.testing.assert_allclose(ours, wanted, atol=2e-4)


def test_width_is_measured_on_the_psf():
    widths = (0.08, 0.15, 0.7)
    for psf in (Psf(gaussian=Gaussian(fwhm_arcsec=widths)), Psf(moffat=Moffat(fwhm_arcsec=widths, beta=3.0))):
        found = transfer(psf, ("F435W", "F606W", "F160W"), 0.1, (48, 48)).fwhm_arcsec
        np.testing.assert_allclose(found, widths, rtol=1e-3)
    airy = Psf(airy=Airy(diameter_m=2.4, wavelength_um=(1.6,)))
    wanted = 1.029 * 1.6e-6 / 2.4 * 206265  # of an unobscured aperture
    assert transfer(airy, ("F160W",), 0.1, (48, 48)).fwhm_arcsec[0] == pytest.approx(wanted, rel=2e-3)


def test_flux_inside_a_radius_is_galsims():
    theirs = galsim.Moffat(beta=3.5, fwhm=0.6)
    rings = Rings.of(models(Psf(moffat=Moffat(fwhm_arcsec=0.6)), ("a",))[0])
    assert rings.inside(np.array([theirs.half_light_radius]))[0] == pytest.approx(0.5, abs=1e-3)


def test_airy_follows_the_band():
    found = transfer(Psf(airy=Airy(diameter_m=2.4)), ("F435W", "F160W"), 0.1, (32, 32)).fwhm_arcsec
    assert found[1] / found[0] == pytest.approx(1.54 / 0.432, rel=0.02)


def test_an_image_is_one_psf_whatever_its_scaling(tmp_path):
    y, x = np.mgrid[-20:21, -20:21] * 0.06
    image = np.exp(-2.7726 * (x**2 + y**2) / 0.2**2)
    one, two = write(tmp_path / "a.fits", image), write(tmp_path / "b.fits", 1e-3 * image)
    psf = Psf(image=PsfImage(files=(one, two), folder=str(tmp_path), includes_pixel=False))
    made = transfer(psf, ("F105W", "F160W"), 0.1, (48, 48))
    np.testing.assert_allclose(made.fwhm_arcsec, 0.2, rtol=2e-3)
    np.testing.assert_allclose(made.mix[0], made.mix[1], rtol=1e-6)
    assert made.mix.shape[1] == 1
    own = np.einsum("cj,jyx->cyx", made.mix, made.basis)
    np.testing.assert_allclose(own[:, 0, 0], 1.0, atol=1e-5)


def test_a_pixel_that_an_image_includes_is_taken_out(tmp_path):
    """An effective PSF of the pixels drawn: the product with the pixel is the image itself."""
    theirs = galsim.Gaussian(fwhm=0.22)
    image = theirs.drawImage(nx=41, ny=41, scale=0.1).array
    name = write(tmp_path / "a.fits", image, 0.1)
    (model,) = models(Psf(image=PsfImage(files=(name,), folder=str(tmp_path))), ("F160W",))
    k = np.linspace(0, 20, 30)
    wanted = [theirs.kValue(v, 0).real for v in k]
    np.testing.assert_allclose(np.real(model.at(k, np.zeros(1))), wanted, atol=2e-3)


def test_principal_psfs_hold_every_band():
    widths = tuple(np.linspace(0.08, 0.2, 9))
    bands = tuple(f"b{i}" for i in range(9))
    made = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=widths)), bands, 0.1, (60, 60))
    assert made.mix.shape[1] < 6
    own = np.einsum("cj,jyx->cyx", made.mix, made.basis)
    k = 2 * np.pi / 0.1 * np.hypot(np.fft.fftfreq(made.grid[0])[:, None], np.fft.rfftfreq(made.grid[1]))
    sigma = np.array(widths)[:, None, None] / 2.35482
    np.testing.assert_allclose(own, np.exp(-0.5 * (sigma * k) ** 2), atol=1.5e-3)


def test_real_hst_psfs(shared_data):
    """Widths near those published for drizzled GOODS-S and CANDELS images."""
    psf = PsfImage(files=tuple(HST.values()), folder=str(shared_data / "psf"), pixel_scale_arcsec=0.06)
    found = transfer(Psf(image=psf), tuple(HST), 0.06, (60, 60))
    assert ((found.fwhm_arcsec > 0.07) & (found.fwhm_arcsec < 0.2)).all()
    assert found.fwhm_arcsec[-1] == found.fwhm_arcsec.max()


def test_equal_arguments_are_made_once():
    psf = Psf(gaussian=Gaussian(fwhm_arcsec=0.3))
    assert transfer(psf, ("a",), 0.1, (20, 20)) is transfer(psf, ["a"], 0.1, (20, 20))


@pytest.mark.parametrize("given", [{}, {"gaussian": Gaussian(fwhm_arcsec=1.0), "survey": "hsc-wide"}])
def test_exactly_one_kind(given):
    with pytest.raises(ValueError, match="exactly one of gaussian"):
        Psf(**given)


def test_what_is_wrong_is_named(tmp_path):
    def refuse(psf: Psf, words: str) -> None:
        with pytest.raises(InputError, match=words):
            transfer(psf, ("F435W", "F160W"), 0.1, (20, 20))

    def image(**keys) -> Psf:
        return Psf(image=PsfImage(folder=str(tmp_path), **keys))

    good = np.exp(-0.3 * np.hypot(*np.mgrid[-9:10, -9:10]) ** 2)
    refuse(Psf(gaussian=Gaussian(fwhm_arcsec=(1.0, 2.0, 3.0))), "3 values of `fwhm_arcsec` for 2 bands")
    refuse(image(files=("none.fits",)), "there is no such file")
    refuse(
        image(files=(write(tmp_path / "n.fits", np.where(np.eye(9) > 0, np.nan, 1.0)),)),
        "9 of 81 pixels are not",
    )
    refuse(image(files=(write(tmp_path / "z.fits", 0 * good),)), "add up to 0")
    refuse(image(files=(write(tmp_path / "s.fits", good, None),)), "pixel scale")
    refuse(image(files=(write(tmp_path / "c.fits", np.ones((3, 19, 19))),)), "3 images, one is expected")
    (tmp_path / "text.fits").write_text("no")
    refuse(image(files=("text.fits",)), "not a FITS file")
    with pytest.raises(InputError, match="F999"):
        transfer(Psf(airy=Airy(diameter_m=2.4)), ("F999",), 0.1, (20, 20))


@pytest.mark.parametrize("fwhm_pixels", [3.0, 7.0, 20.0])
def test_an_image_much_broader_than_its_pixels(tmp_path, fwhm_pixels):
    pixels = galsim.Gaussian(fwhm=fwhm_pixels).drawImage(nx=129, ny=129, scale=1.0).array
    fits.writeto(tmp_path / "psf.fits", pixels)
    psf = Psf(image=PsfImage(files=("psf.fits",), folder=str(tmp_path), pixel_scale_arcsec=0.05))
    found = transfer(psf, ("F814W",), 0.1, (40, 40)).fwhm_arcsec
    assert found == pytest.approx([0.05 * fwhm_pixels], rel=0.06)  # the image's own pixel is in it
