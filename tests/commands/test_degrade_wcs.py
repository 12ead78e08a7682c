"""An image degraded onto the pixels of another file, held to GalSim's drawing through that file's WCS."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.degrade import degrade_field
from mockforge.field.field import Field, tan_wcs
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.stages.degrade import Degrade

SIDE, FINE, SHARP, WIDE = 260, 0.06, 0.14, 0.7
SKY = (150.0, 2.2)
STAGE = Degrade(
    to="hsc-wide", bands=("hsc_i",), labels=(), noisy=False,
    psf=Psf(gaussian=Gaussian(fwhm_arcsec=SHARP)), psf_out=Psf(gaussian=Gaussian(fwhm_arcsec=WIDE)),
)  # fmt: skip


def scene() -> galsim.GSObject:
    """Galaxies and a star around the middle, in arcsec to the west and north."""
    disk = galsim.Exponential(half_light_radius=0.5, flux=300).shear(g1=0.3, g2=-0.2)
    return galsim.Sum([disk.shift(1.1, -0.6), galsim.Gaussian(sigma=1e-3, flux=200).shift(-2.0, 1.4)])


@pytest.fixture(scope="module")
def field() -> Field:
    seen = galsim.Convolve(scene(), galsim.Gaussian(fwhm=SHARP))
    truth = seen.drawImage(nx=SIDE, ny=SIDE, scale=FINE, dtype=float).array[None].astype(np.float32)
    wcs = tan_wcs((SIDE, SIDE), FINE, ra=SKY[0], dec=SKY[1])
    return Field(truth, ("F814W",), FINE, (SHARP,), truth=truth, wcs=wcs)


def written(path: Path, shape: tuple[int, int], scale: float, turn: float, x: float, y: float) -> Path:
    """A file whose pixels are turned, the sky's centre at pixel (x, y) of it."""
    wcs = tan_wcs(shape, scale, ra=SKY[0], dec=SKY[1], rotation_deg=turn)
    wcs.wcs.crpix = [x + 1, y + 1]
    fits.PrimaryHDU(np.ones(shape, np.float32), wcs.to_header()).writeto(path)
    return path


@pytest.mark.parametrize(("scale", "turn"), [(0.168, 0.0), (0.2, 33.0), (0.11, -120.0)])
def test_a_turned_and_shifted_target_has_what_galsim_draws_there(
    field: Field, tmp_path: Path, scale: float, turn: float
) -> None:
    shape, (x, y) = (41, 47), (22.3, 18.9)
    path = written(tmp_path / "target.fits", shape, scale, turn, x, y)
    made = degrade_field(field, STAGE, wcs=path).field
    assert made.shape == (1, *shape) and made.wcs is not None
    # Where a step of the target goes on the fine image, by astropy alone.
    own, other = field.wcs, WCS(fits.getheader(path))
    at = [own.world_to_pixel(other.pixel_to_world(x + a, y + b)) for a, b in ((0, 0), (1, 0), (0, 1))]
    sides = [(np.array(p) - np.array(at[0])) * FINE for p in at[1:]]
    local = galsim.JacobianWCS(sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    seen = galsim.Convolve(scene(), galsim.Gaussian(fwhm=WIDE))
    px, py = other.world_to_pixel(own.pixel_to_world((SIDE - 1) / 2, (SIDE - 1) / 2))
    centre = galsim.PositionD(float(px) + 1, float(py) + 1)
    blank = galsim.ImageD(shape[1], shape[0], wcs=local)  # pixels counted from 1
    wanted = seen.drawImage(image=blank, center=centre).array
    assert made.truth is not None
    assert np.linalg.norm(made.truth[0] - wanted) < 3e-3 * np.linalg.norm(wanted)
    assert made.truth.sum() == pytest.approx(wanted.sum(), rel=2e-3)
    assert made.pixel_scale_arcsec == pytest.approx(scale, rel=1e-3)


def test_noise_is_the_survey_s_and_pixels_off_the_image_are_masked(field: Field, tmp_path: Path) -> None:
    path = written(tmp_path / "wide.fits", (120, 130), 0.168, 20.0, 60.0, 60.0)
    stage = Degrade(to="hsc-wide", bands=("hsc_i",), labels=(), psf=STAGE.psf)
    made = degrade_field(field, stage, wcs=path)
    assert made.sky_rms[0] == pytest.approx(3.28, rel=0.02)
    mask = made.field.mask
    assert mask is not None and 0.3 < mask.mean() < 0.7 and mask[0, 0] and not mask[60, 60]
    assert (made.field.image[0][mask] == 0).all()
    noise = (made.field.image - made.field.truth)[0][~mask]
    assert noise.std() == pytest.approx(3.28, rel=0.05)


def test_an_image_with_noise_of_its_own_is_filled_up(field: Field, tmp_path: Path) -> None:
    noisy = Field(
        field.image + np.random.default_rng(3).normal(0, 0.3, field.image.shape).astype(np.float32),
        field.bands, FINE, field.psf_fwhm_arcsec, wcs=field.wcs,
    )  # fmt: skip
    path = written(tmp_path / "t.fits", (60, 60), 0.168, 45.0, 30.0, 30.0)
    stage = Degrade(to="hsc-wide", input="image", bands=("hsc_i",), labels=(), psf=STAGE.psf)
    made = degrade_field(noisy, stage, wcs=path)
    assert made.sky_rms[0] == pytest.approx(3.28, rel=0.03)


def test_the_command_and_its_sentences(field: Field, tmp_path: Path) -> None:
    image, out = field.write(tmp_path / "hst.fits"), tmp_path / "out.fits"
    path = written(tmp_path / "target.fits", (40, 50), 0.168, 10.0, 25.0, 20.0)
    words = ["degrade", str(image), "--to", "hsc-wide", "-o", str(out), "--wcs"]
    found = CliRunner().invoke(app, [*words, str(path)])
    assert found.exit_code == 0, found.output
    assert "50 x 40 pixels" in found.output and "hsc_i for F814W" in found.output
    assert WCS(fits.getheader(out, 1)).wcs.compare(WCS(fits.getheader(path)).wcs, tolerance=1e-9)
    far, blank = tmp_path / "far.fits", tmp_path / "blank.fits"
    fits.PrimaryHDU(np.ones((9, 9)), tan_wcs((9, 9), 0.2, ra=10.0, dec=2.0).to_header()).writeto(far)
    fits.PrimaryHDU(np.ones((9, 9))).writeto(blank)
    for given, wanted in ((far, "none of its pixels lies on the image"), (blank, "has no celestial WCS"),
                          (tmp_path / "none.fits", "none.fits")):  # fmt: skip
        found = CliRunner().invoke(app, [*words, str(given)])
        assert found.exit_code == 2 and wanted in found.output and "Traceback" not in found.output
