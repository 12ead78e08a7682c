"""Profiles of PSFs hold the light of real PSF images within circles, cores and wings alike."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.degrade.degrader import psf_pixels
from mockforge.observe.psf.models import PsfModel, Rings, profile_model, with_pixels
from mockforge.observe.psf.of_survey import psf_model
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.observe.surveys.profiles import Profile, profile
from mockforge.observe.surveys.read import names, survey

RADII = (0.1, 0.17, 0.3, 0.5, 1.0, 2.0)
LIGHT = {  # within RADII arcsec, measured on the PSF images, which are not part of the package
    "hst_f435w": (0.680, 0.834, 0.894, 0.930, 0.964, 0.992),
    "hst_f606w": (0.669, 0.836, 0.897, 0.930, 0.963, 0.987),
    "hst_f775w": (0.629, 0.819, 0.888, 0.925, 0.961, 0.983),
    "hst_f850lp": (0.601, 0.797, 0.880, 0.921, 0.958, 0.980),
    "hst_f160w": (0.313, 0.535, 0.770, 0.852, 0.921, 0.974),
    "euclid_vis": (0.357, 0.654, 0.879, 0.955, 1.000, 1.000),
    "euclid_nisp_y": (0.118, 0.300, 0.645, 0.916, 1.000, 1.000),
    "euclid_nisp_j": (0.099, 0.255, 0.566, 0.848, 0.993, 1.000),
    "euclid_nisp_h": (0.090, 0.229, 0.510, 0.802, 0.998, 1.000),
}


def of_name(name: str) -> PsfModel:
    return profile_model(profile(name))


def light_within(image: np.ndarray, scale: float, radii: tuple[float, ...]) -> np.ndarray:
    """Of a PSF image of sum 1, around its centre of light; pixels at the edge in parts."""
    y, x = np.indices(image.shape)
    cy, cx = (float(v) for v in np.unravel_index(image.argmax(), image.shape))
    for _ in range(60):
        near = image * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 2.5**2)
        cy, cx = (near * y).sum() / near.sum(), (near * x).sum() / near.sum()
    off = (np.arange(9) + 0.5) / 9 - 0.5
    square = (y[..., None, None] + off[:, None] - cy) ** 2 + (x[..., None, None] + off - cx) ** 2
    return np.array([(image * (square < (r / scale) ** 2).mean(axis=(-2, -1))).sum() for r in radii])


@pytest.mark.parametrize("name", LIGHT)
def test_a_profile_has_the_light_of_the_real_psf_within_two_percent(name: str) -> None:
    scale = 0.06 if name.startswith("hst") else 0.1
    found = light_within(psf_pixels(of_name(name), scale, 97).astype(float), scale, RADII)
    assert found == pytest.approx(np.array(LIGHT[name]), rel=0.02, abs=0.006)


@pytest.mark.parametrize("name", LIGHT)
def test_the_numbers_are_those_of_the_images(name: str, shared_data: Path) -> None:
    from astropy.io import fits

    telescope, band = name.replace("nisp", "nir").split("_", 1)
    if telescope == "hst":
        image, scale = fits.getdata(shared_data / "psf" / f"hst-{band}.fits").astype(float), 0.06
    else:
        extension = f"{band.upper()}_PSF"
        image = fits.getdata(shared_data / "psf" / "euclid_group.fits", extension).astype(float)
        scale = 0.1
    found = light_within(image / image.sum(), scale, RADII)
    assert found == pytest.approx(np.array(LIGHT[name]), abs=0.003)


@pytest.mark.parametrize(("band", "pixels"), [("F106", 4.83), ("F129", 6.63), ("F158", 9.65)])
def test_roman_has_the_effective_pixels_of_its_table(band: str, pixels: float) -> None:
    star = psf_pixels(psf_model(survey("roman-hlwas-medium"), band), 0.11, 61).astype(float)
    assert 1 / (star**2).sum() == pytest.approx(pixels, rel=0.02)


@pytest.mark.parametrize("name", ["hst_f606w", "hst_f160w", "euclid_vis", "roman_f158"])
def test_a_profile_is_what_galsim_draws(name: str) -> None:
    known = profile(name)
    parts = [galsim.Gaussian(sigma=sigma, flux=share) for share, sigma in known.blur]
    made: galsim.GSObject = galsim.Sum(parts)
    if known.diameter_m is not None:
        lam, obscuration = 1e3 * (known.wavelength_um or 0), known.obscuration
        made = galsim.Convolve(galsim.Airy(lam=lam, diam=known.diameter_m, obscuration=obscuration), made)
    wanted = galsim.Convolve(made, galsim.Pixel(0.06)).drawImage(
        nx=41, ny=41, scale=0.06, method="no_pixel", dtype=float
    )
    assert psf_pixels(of_name(name), 0.06, 41) == pytest.approx(wanted.array, abs=3e-3 * wanted.array.max())


def test_a_profile_is_a_psf_of_its_own() -> None:
    psf = Psf(profile=Profile(blur=((0.9, 0.05), (0.1, 0.2))))
    one, two = models(psf, ("g", "r"))
    assert one is two
    assert Rings.of(one).inside(np.array(0.1)) == pytest.approx(
        0.9 * (1 - np.exp(-2.0)) + 0.1 * (1 - np.exp(-0.125)), abs=1e-3
    )
    assert transfer(psf, ("g",), 0.1, (32, 32)).fwhm_arcsec[0] == pytest.approx(0.12, abs=0.005)
    for wrong, words in (
        ({"blur": ((0.5, 0.1),)}, "add up to 1"),
        ({"blur": ((1.0, 0.0),)}, "every sigma"),
        ({"blur": ((1.0, 0.1),), "diameter_m": 2.4}, "go together"),
    ):
        with pytest.raises(ValueError, match=words):
            Profile(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'hst_f606w'"):
        profile("hst_f605w")


@pytest.mark.parametrize("name", names())
def test_all_light_of_a_preset_s_psf_is_positive_and_within_reach(name: str) -> None:
    chosen = survey(name)
    for band in chosen.bands:
        rings = Rings.of(with_pixels(psf_model(chosen, band), chosen.pixel_scale_arcsec))
        r = np.linspace(0.01, 3.0, 300)
        assert np.diff(rings.inside(r)).min() > -2e-4
        assert 0.9 < rings.inside(np.array(3.0)) < 1.002
