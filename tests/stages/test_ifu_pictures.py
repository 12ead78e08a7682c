"""The source `ifu` with pictures of galaxies: ellipses and light are theirs, and bad words are answered."""

from dataclasses import replace

import galsim
import numpy as np
import pytest

from mockforge.config import fixed, uniform
from mockforge.errors import InputError
from mockforge.galaxies.cubes.source.gallery import fwhm_of
from mockforge.galaxies.cubes.source.picture_spec import DiskPicture
from mockforge.galaxies.cubes.source.pictured import inclination
from mockforge.galaxies.cubes.source.spec import DiskClumps, Motion
from mockforge.galaxies.real.files import FileGalaxies
from mockforge.galaxies.real.painted import PaintedBand, SkyGalaxies
from mockforge.galaxies.real.rule import RealStamps
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.stages.ifu import Ifu
from tests.builders.batches import samples
from tests.builders.galaxy_files import drawn, write_files
from tests.builders.tiny_forge import saved_forge

PSF = galsim.Gaussian(fwhm=0.15)
ANGLE = (25.0, 100.0)
INCLINATION = 60.0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two inclined disks of 0.6 arcsec without a height, pixels of 0.05 arcsec, little noise."""
    disks = [
        galsim.InclinedExponential(INCLINATION * galsim.degrees, half_light_radius=0.6, scale_h_over_r=1e-3)
        .withFlux(1e5)
        .rotate(angle * galsim.degrees)
        for angle in ANGLE
    ]
    images = [[drawn(galsim.Convolve(disk, PSF), 121, 0.05)] for disk in disks]
    path = write_files(tmp_path_factory.mktemp("pictures"), images, ["lsst_r"], [0.5, 0.6], noise=0.5)
    return FileGalaxies(
        catalogue=str(path),
        bands=("lsst_r",),
        psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.15)),
        position="middle",
    )


def stage(files, **keys) -> Ifu:
    picture = keys.pop("picture", None) or DiskPicture(files=files)
    how = {"spaxels": 24, "channels": 40, "margin": 2, "noise": None, "thickness": fixed(0.01)}
    how |= {"psf": Psf(gaussian=Gaussian(fwhm_arcsec=0.6)), "v_max": fixed(200.0), "tolerance": 0.01}
    return Ifu(picture=picture, **(how | keys))


def test_a_disk_has_the_ellipse_and_the_light_of_its_picture(files):
    made = stage(files)(samples(6), Stream(4))
    table, truth = made.tables["disk"], made.arrays["cube_truth"]
    assert set(table["picture_of"].tolist()) == {"galaxy0.fits", "galaxy1.fits"}
    np.testing.assert_allclose(table["inclination"], INCLINATION, atol=3.0)
    np.testing.assert_allclose(table["r_half_arcsec"], 0.6, rtol=0.08)
    np.testing.assert_allclose(table["picture_psf_fwhm_arcsec"], 0.15, rtol=0.01)
    np.testing.assert_allclose(truth.sum(axis=(1, 2, 3)) * 1.25 / 100, table["line_flux"], rtol=0.03)
    np.testing.assert_allclose(made.arrays["flux_map"].sum(axis=(1, 2)), table["line_flux"], rtol=0.01)
    own = np.where(table["picture_of"] == "galaxy0.fits", *ANGLE)
    apart = (table["picture_angle"] - own + 90) % 180 - 90
    assert np.abs(apart).max() < 2.0
    y, x = np.mgrid[:24, :24]
    for flux, velocity, angle in zip(
        made.arrays["flux_map"], made.arrays["velocity_observed"], table["position_angle"], strict=True
    ):
        bright = flux > 0.02 * flux.max()
        plane = np.stack([x[bright], y[bright], np.ones(bright.sum())], axis=1)
        rise, climb, _ = np.linalg.lstsq(plane, velocity[bright], rcond=None)[0].tolist()
        found = np.degrees(np.arctan2(climb, rise))
        assert abs((found - angle + 180) % 360 - 180) < 3.0
        dx, dy = x - 11.5, y - 11.5
        xx, yy, xy = ((flux * v).sum() for v in (dx**2, dy**2, dx * dy))
        light = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))
        assert abs((light - angle + 90) % 180 - 90) < 4.0
    again = stage(files)(samples(6), Stream(4)).arrays["cube_truth"]
    np.testing.assert_array_equal(again, truth)


def test_a_resized_picture_has_the_radius_that_is_drawn(files):
    resized = DiskPicture(files=files, resize=True, turn=False)
    made = stage(files, picture=resized, r_half_arcsec=uniform(0.2, 0.9), clumps=DiskClumps(most=2))(
        samples(5), Stream(2)
    )
    table = made.tables["disk"]
    assert np.ptp(table["r_half_arcsec"]) > 0.1
    assert table["picture_psf_fwhm_arcsec"] == pytest.approx(
        0.15 * table["r_half_arcsec"] / table["picture_r_half_arcsec"], rel=1e-4
    )
    assert not table["picture_turn"].any()


def test_galaxies_of_a_learned_sky_turn(tmp_path):
    sky = SkyGalaxies(
        model=str(saved_forge(tmp_path, ("g", "r"))),
        area=256,
        side=40,
        min_snr=20.0,
        leave_blended=False,
        bands=(PaintedBand(painted="r", band="lsst_r"),),
    )
    made = stage(None, picture=DiskPicture(sky=sky, resize=True, band="lsst_r"), r_half_arcsec=fixed(0.5))(
        samples(3), Stream(1)
    )
    assert all(np.isfinite(a).all() for a in made.arrays.values())
    assert (made.arrays["flux_map"].sum(axis=(1, 2)) > 0.9 * made.tables["disk"]["line_flux"]).all()


def test_hst_stamps_turn(shared_data):
    real = RealStamps(
        catalogue=str(shared_data / "cosmos_stamps" / "real_galaxy_catalog_26_extension_example.fits")
    )
    made = stage(None, picture=DiskPicture(real=real))(samples(2), Stream(1))
    table = made.tables["disk"]
    np.testing.assert_allclose(made.arrays["flux_map"].sum(axis=(1, 2)), table["line_flux"], rtol=0.02)
    assert ((table["picture_psf_fwhm_arcsec"] > 0.09) & (table["picture_psf_fwhm_arcsec"] < 0.15)).all()


@pytest.mark.parametrize("vertical", ["gaussian", "exponential", "sech2"])
def test_inclinations_come_from_the_axis_ratio_and_the_height(vertical):
    thin = inclination(np.array([1.0, 0.5, 0.0]), np.array(1e-4), vertical)
    np.testing.assert_allclose(thin, [0.0, 60.0, 90.0], atol=0.1)
    assert inclination(np.array(0.5), np.array(0.2), vertical) > 60.5
    assert inclination(np.array(0.05), np.array(0.2), vertical) == 90.0


def test_the_width_of_a_psf_is_measured():
    assert fwhm_of(drawn(galsim.Gaussian(fwhm=4.0), 41, 1.0)) == pytest.approx(4.1, rel=0.03)


def test_what_cannot_be_is_answered_in_a_sentence(files):
    with pytest.raises(InputError, match=r"a PSF of 0\.15 arcsec at least, and the instrument's is 0\.12"):
        stage(files, psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.12)))(samples(1), Stream(1))
    said = list(stage(files, psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.12))).problems(()))
    assert [key for key, _ in said] == [("picture",)] and "a PSF of 0.15 arcsec at least" in said[0][1]
    said = list(stage(files, picture=DiskPicture(files=files, band="lsst_g")).problems(()))
    assert "no band 'lsst_g'" in said[0][1]
    assert not list(stage(files).problems(()))
    with pytest.raises(InputError, match=r"none of the 2 galaxies .* inclined by less than 30 degrees"):
        stage(files, picture=DiskPicture(files=files, steepest=30.0))(samples(1), Stream(1))
    with pytest.raises(InputError, match=r"no band 'lsst_g' \(it has lsst_r\)"):
        stage(files, picture=DiskPicture(files=files, band="lsst_g"))(samples(1), Stream(1))
    with pytest.raises(ValueError, match="exactly one of real, files, sky"):
        DiskPicture()
    with pytest.raises(ValueError, match="flat plane"):
        replace(stage(files), motion=Motion(warp_angle=fixed(5.0)))
