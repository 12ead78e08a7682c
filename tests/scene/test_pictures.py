"""Real galaxies as the pictures of a scene's bright ones, on synthetic stamps whose truth is known."""

from dataclasses import replace
from pathlib import Path

import galsim
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from mockforge.errors import InputError
from mockforge.galaxies.population import Galaxies
from mockforge.galaxies.real.clean import cut_out
from mockforge.galaxies.real.library import files_of, library
from mockforge.galaxies.real.rule import RealStamps
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.scene.model import SceneModel
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies
from mockforge.scene.scene import Scene
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples
from tests.builders.galaxy_files import PSF, drawn, write_real

OUT = Psf(gaussian=Gaussian(fwhm_arcsec=0.14))
Q, ANGLE = (0.4, 0.6, 0.8), (20.0, 75.0, 140.0)


def write_ellipses(folder: Path, noise: float = 0.0) -> Path:
    """Three inclined exponentials of 8000, 4000, 2000 nJy, 0.03 arcsec per pixel, with noise in nJy."""
    rng, unit = np.random.default_rng(1), 10 ** (-0.4 * (31.4 - 25.94))
    profiles = [
        galsim.Exponential(half_light_radius=0.3 * np.sqrt(q), flux=8000 / 2**i).shear(
            q=q, beta=a * galsim.degrees
        )
        for i, (q, a) in enumerate(zip(Q, ANGLE, strict=True))
    ]
    images = [drawn(galsim.Convolve(p, PSF), 121, 0.03) for p in profiles]
    noisy = [(m + rng.normal(0, noise, m.shape)) * unit for m in images]
    for name, planes in (("images", noisy), ("psfs", [drawn(PSF, 41, 0.03)] * 3)):
        fits.HDUList([fits.PrimaryHDU(), *map(fits.ImageHDU, planes)]).writeto(folder / f"{name}.fits")
    text = {"GAL_FILENAME": ["images.fits"] * 3, "PSF_FILENAME": ["psfs.fits"] * 3, "BAND": ["F814W"] * 3}
    number = {"IDENT": np.arange(3) + 70, "GAL_HDU": 1 + np.arange(3), "PSF_HDU": 1 + np.arange(3)}
    table = Table({**number, **text, "PIXEL_SCALE": np.full(3, 0.03), "zphot": np.full(3, 0.5)})
    table.write(folder / "real.fits")
    return folder / "real.fits"


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """What is measured is kept in a folder of the test's own."""
    monkeypatch.setenv("MOCKFORGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def model_of(path: Path, **keys) -> SceneModel:
    how = {"psf": OUT, "bands": ("F606W", "F814W"), "brightest": 20.0, "faintest": 26.0}
    return SceneModel(**(how | keys), real=RealStamps(catalogue=str(path), nearest=2))


def bright(model, count=6, seed=1, **changes):
    values = {"magnitude": 20.5, "r_e": 0.4, "n": 1.0, "axis_ratio": 0.6, "z": 0.8, "spectrum": 20} | changes
    made = {k: np.full(count, v, dtype=np.int64 if k == "spectrum" else float) for k, v in values.items()}
    return galaxies(model, Galaxies(**made), np.full(count, 40.3), np.full(count, 25.8), Stream(seed))


def difference(model, made, i):
    """Of a painted picture from galsim's exponential with the table's parameters: sum |a - b| / sum b."""
    q, side, (top, left) = float(made.axis_ratio[i]), int(made.side[i]), (v[i] for v in made.corner())
    shape = galsim.Exponential(half_light_radius=float(made.r_e[i]) * np.sqrt(q), flux=float(made.flux[i, 1]))
    seen = galsim.Convolve(
        shape.shear(q=q, beta=float(made.position_angle[i]) * galsim.degrees), galsim.Gaussian(fwhm=0.14)
    )
    offset = (made.x[i] - left - (side - 1) / 2, made.y[i] - top - (side - 1) / 2)
    theirs = seen.drawImage(nx=side, ny=side, scale=model.pixel_scale_arcsec, offset=offset).array
    mine = paint(model, made.rows(np.array([i])))[0, 1]
    return np.abs(mine - theirs).sum() / theirs.sum(), mine.sum() / theirs.sum()


@pytest.mark.parametrize("shear", [(0.0, 0.0), (0.05, -0.03)])
def test_a_picture_is_what_galsim_draws_with_the_tables_parameters(cached, shear):
    """Turned, resized, sheared, PSF matched: against the exponential that the stamp was drawn from."""
    model = model_of(write_ellipses(cached), shear=shear)
    made = bright(model)
    assert (made.picture >= 0).all() and len(set(made.picture.tolist())) == 2
    for i in range(len(made)):
        apart, flux = difference(model, made, i)
        assert apart < 0.05 and flux == pytest.approx(1.0, abs=0.01)


def test_pictures_are_measured_as_they_were_drawn(cached):
    found = library(RealStamps(catalogue=str(write_ellipses(cached, noise=0.4))))
    assert found.r_e == pytest.approx([0.3] * 3, rel=0.06)
    assert found.axis_ratio == pytest.approx(Q, abs=0.06)
    assert found.angle % 180 == pytest.approx(ANGLE, abs=4.0)
    assert 10 ** (-0.4 * (found.magnitude - 31.4)) == pytest.approx([8000, 4000, 2000], rel=0.04)
    assert found.names.tolist() == ["70", "71", "72", ""]


def test_the_noise_of_a_stamp_is_gone(cached):
    """Its rms over the galaxy's neighbourhood falls fivefold, and to nothing farther out."""
    for name in ("noisy", "plain"):
        (cached / name).mkdir()
    noisy, plain = (
        library(RealStamps(catalogue=str(write_ellipses(cached / name, noise))))
        for name, noise in (("noisy", 0.4), ("plain", 0.0))
    )
    for i in range(3):
        raw, truth = (m.catalogue.cutout(i).image[0] for m in (noisy, plain))
        clean = noisy.clean(i).image
        pad = (len(clean) - len(raw)) // 2
        error = clean[pad : pad + len(raw), pad : pad + len(raw)] - gaussian_filter(truth, 0.7)
        assert (raw - truth).std() == pytest.approx(0.4, rel=0.03)
        assert error.std() < 0.08
        assert np.abs(error).sum() < 0.08 * truth.sum() < 0.2 * np.abs(raw - truth).sum()
        rim = np.ones_like(error, dtype=bool)
        rim[15:-15, 15:-15] = False
        assert np.abs(error[rim]).max() < 0.1


def test_structure_is_kept(cached):
    """A noiseless stamp with a clump beside the middle comes out as it was."""
    path = write_ellipses(cached)
    cutout = library(RealStamps(catalogue=str(path))).catalogue.cutout(0)
    y, x = np.indices(cutout.image.shape[1:])
    clump = 20.0 * np.exp(-0.5 * ((x - 70) ** 2 + (y - 64) ** 2) / 3.0**2)
    lit = replace(cutout, image=cutout.image + clump)
    found = cut_out(lit, 1e9)
    pad = (len(found.image) - len(y)) // 2
    inner = found.image[pad : pad + len(y), pad : pad + len(y)]
    wanted = gaussian_filter(lit.image[0], 0.7)
    assert np.abs(inner - wanted)[20:-20, 20:-20].max() < 0.02 * wanted.max()


def test_sizes_follow_within_the_limits(cached):
    model = model_of(write_ellipses(cached))
    for r_e, wanted in ((0.4, 0.4), (0.05, 0.15), (3.0, 0.6)):
        assert bright(model, r_e=r_e).r_e == pytest.approx(np.full(6, wanted), rel=0.05)


def test_all_else_stays_as_without_pictures(cached):
    model = model_of(write_ellipses(cached))
    with_, without = (Scene(m, seed=2).cell(0, 0) for m in (model, replace(model, real=None)))
    real = with_.picture >= 0
    assert 0 < real.sum() < len(real)
    for name in ("x", "y", "flux", "z", "magnitude", "spectrum"):
        assert np.array_equal(getattr(with_, name), getattr(without, name))
    other = np.flatnonzero(~real)
    assert np.array_equal(with_.rows(other).axis_ratio, without.rows(other).axis_ratio)
    assert np.array_equal(with_.rows(other).knots, without.rows(other).knots)
    assert (with_.n[real] == 0).all()
    side = int(with_.side[real].min())
    some = with_.rows(real & (with_.side == side))
    painted = paint(model, some)
    assert painted.sum((2, 3)) == pytest.approx(some.flux, rel=5e-3)
    assert painted.min() > -1e-2 * painted.max()


def test_windows_and_shards_are_the_same_to_the_last_bit(cached):
    model = model_of(write_ellipses(cached))
    whole, part = (Scene(model, seed=2).pixels(*w) for w in ((-20, 200, 0, 220), (60, 130, 90, 150)))
    assert (Scene(model, seed=2).objects(60, 130, 90, 150).picture >= 0).any()
    assert np.array_equal(part[1], whole[1][:, 80:150, 90:150])
    stage = SceneTiles(**vars(model), tile=64, margin=16)
    both, one = samples(2), samples(1)
    made, alone = (stage(b, Stream(5, ("scene",))) for b in (both, one))
    assert np.array_equal(made.arrays["truth"][0], alone.arrays["truth"][0])
    names = made.tables["objects"]["real_stamp"]
    assert set(names.tolist()) <= {"", "70", "71", "72"} and len(set(names.tolist())) > 1


def test_the_recipe_knows_the_files(cached):
    path = write_real(cached, [0.5, 0.7])
    stage = SceneTiles(bands=("F814W",), psf=OUT, tile=32, real=RealStamps(catalogue=str(path)))
    before = stage.fingerprint()
    named = {Path(key.removeprefix("file ")).name for key in before if key.startswith("file ")}
    assert named == {"real.fits", "real_fits.fits", "images.fits", "psfs.fits"}
    with fits.open(cached / "images.fits", mode="update") as units:
        units[1].data[60, 60] *= 1.01
    assert stage.fingerprint() != before
    assert [p.name for p in files_of(stage.real)] == [
        "real.fits",
        "images.fits",
        "psfs.fits",
        "real_fits.fits",
    ]


def test_bad_input_is_named(cached):
    path = write_ellipses(cached, noise=0.4)
    with pytest.raises(InputError, match="least_snr"):
        library(RealStamps(catalogue=str(path), least_snr=1e5))
    with pytest.raises(InputError, match="no such file"):
        library(RealStamps(catalogue=str(cached / "none.fits")))
    with pytest.raises((InputError, ValueError), match="rising"):
        RealStamps(catalogue=str(path), size_factor=(2.0, 0.5))


def test_hst_galaxies(shared_data, cached):
    """The COSMOS stamps: sizes and shapes of what is painted are those of the table."""
    path = shared_data / "cosmos_stamps" / "real_galaxy_catalog_26_extension_example.fits"
    model = SceneModel(
        bands=("F814W",), psf=None, pixel_scale_arcsec=0.03, real=RealStamps(catalogue=str(path))
    )
    found = library(model.real)
    assert len(found.row) > 40
    assert found.catalogue.rows["GAL_HDU"][found.row].max() < 100
    made = bright(model, count=10, magnitude=21.0)
    assert len(set(made.picture.tolist())) > 2
    for i in range(len(made)):
        image = paint(model, made.rows(np.array([i])))[0, 0].astype(float)
        assert image.sum() == pytest.approx(made.flux[i, 0], rel=0.02)
        assert image.min() > -5e-3 * image.max()
        y, x = np.indices(image.shape)
        top, left = (v[i] for v in made.corner())
        assert (image * x).sum() / image.sum() + left == pytest.approx(made.x[i], abs=0.6)
        t, q = np.deg2rad(made.position_angle[i]), made.axis_ratio[i]
        dx, dy = x + left - made.x[i], y + top - made.y[i]
        r = np.hypot(dx * np.cos(t) + dy * np.sin(t), (dy * np.cos(t) - dx * np.sin(t)) / q)
        half = image[r < made.r_e[i] / 0.03].sum() / image.sum()
        assert half == pytest.approx(0.5, abs=0.12)  # through the stamp's PSF


def test_a_picture_is_where_it_was_put_wherever_its_psf_lies_in_its_image(cached):
    """PSFs of COSMOS are 0.6 pixel off the middle of theirs."""
    painted = []
    for name, offset in (("centred", (0.0, 0.0)), ("off", (0.6, -0.55))):
        (cached / name).mkdir()
        path = write_ellipses(cached / name)
        psf = galsim.Convolve(PSF, galsim.Pixel(0.03)).shift(0.03 * offset[0], 0.03 * offset[1])
        pixels = psf.drawImage(nx=41, ny=41, scale=0.03, method="no_pixel").array
        units = [fits.PrimaryHDU(), *(fits.ImageHDU(pixels) for _ in range(3))]
        fits.HDUList(units).writeto(cached / name / "psfs.fits", overwrite=True)
        model = model_of(path)
        painted.append(paint(model, bright(model).rows(np.array([0])))[0, 1].astype(float))
    y, x = np.indices(painted[0].shape)
    places = [((p * x).sum() / p.sum(), (p * y).sum() / p.sum()) for p in painted]
    assert places[0] == pytest.approx(places[1], abs=0.02)
    assert np.abs(painted[1] - painted[0]).sum() < 0.01 * painted[0].sum()
