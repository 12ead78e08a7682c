"""Another telescope's eyes, held to GalSim's own drawing and to closed forms, for every preset."""

from __future__ import annotations

from dataclasses import replace

import galsim
import numpy as np
import pytest

from mockforge.batch import Batch
from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.observe.band_matching import matched_bands
from mockforge.observe.degrade.degrader import Degrader, coarse_grid, psf_pixels, scaled
from mockforge.observe.degrade.labels import coarse_labels, coarse_table
from mockforge.observe.degrade.spec import Sweep
from mockforge.observe.noise.correlation import gaussian_autocorrelation
from mockforge.observe.noise.pixels import unit_noise
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.models import PsfModel, Rings, airy, gaussian, moffat
from mockforge.observe.psf.of_survey import image_fwhm_arcsec, psf_model, survey_psf
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.observe.surveys.read import names, survey
from mockforge.photometry.colours import Colours, mixing
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from mockforge.stages.detect import Detect
from tests.builders.batches import samples

EXACT = galsim.GSParams(folding_threshold=1e-4, maxk_threshold=1e-5, maximum_fft_size=16384)


def band_of(name: str) -> str:
    """The band of a preset with the sharpest PSF."""
    chosen = survey(name)
    return min(chosen.bands, key=lambda band: image_fwhm_arcsec(chosen, band) or np.inf)


def fine_of(name: str) -> tuple[float, float]:
    """Pixel scale and PSF FWHM of an image sharp enough for a preset, arcsec."""
    width = image_fwhm_arcsec(survey(name), band_of(name)) or 1.0
    scale = min(0.06, survey(name).pixel_scale_arcsec / 2, width / 4)
    return scale, 2.2 * scale


def drawn(profile: galsim.GSObject, fwhm: float, scale: float, side: int) -> np.ndarray:
    """GalSim's image of a profile through a Gaussian PSF and the pixel."""
    seen = galsim.Convolve(profile, galsim.Gaussian(fwhm=fwhm), gsparams=EXACT)
    return seen.drawImage(nx=side, ny=side, scale=scale, dtype=np.float64).array


def galaxies(size: float) -> galsim.GSObject:
    """A small field of galaxies and a star; lengths in units of `size` arcsec."""
    parts = [
        galsim.Exponential(half_light_radius=size, flux=100)
        .shear(g1=0.3, g2=0.1)
        .shift(1.3 * size, -0.7 * size),
        galsim.Sersic(n=2.5, half_light_radius=0.8 * size, flux=80).shear(g1=-0.2).shift(-3 * size, 2 * size),
        galsim.Gaussian(half_light_radius=1.5 * size, flux=50).shift(2 * size, 4 * size),
        galsim.Gaussian(sigma=1e-4, flux=40).shift(-2 * size, -3.2 * size),
    ]
    return galsim.Sum(parts)


def target(name: str) -> tuple[float, float, float]:
    """Pixel scale of a preset, and the FWHM of a Gaussian as broad as its PSF, before the pixel and after."""
    chosen = survey(name)
    scale, before = chosen.pixel_scale_arcsec, Rings.of(psf_model(chosen, band_of(name))).fwhm()
    star = galsim.Convolve(galsim.Gaussian(fwhm=before), galsim.Pixel(scale), gsparams=EXACT)
    row = star.drawImage(nx=4001, ny=1, scale=before / 500, method="no_pixel", dtype=float).array[0, 2000:]
    after = 2 * before / 500 * np.interp(-0.5 * row[0], -row, np.arange(len(row)))
    return scale, before, float(after)


@pytest.mark.parametrize("name", names())
def test_a_field_is_what_galsim_draws_at_the_pixels_and_width_of_a_preset(name: str) -> None:
    (fine, sharp), (scale, wide, _) = fine_of(name), target(name)
    side = 2 * int(6 * max(wide, 4 * fine) / fine) + 161
    field = galaxies(max(wide, 4 * fine))
    grid = coarse_grid((side, side), scale / fine)
    change = Degrader((side, side), grid, fine, [gaussian(sharp)], [gaussian(wide)])
    found = change(drawn(field, sharp, fine, side)[None].astype(np.float32))[0]
    wanted = drawn(field, wide, scale, grid.shape[0])
    assert np.linalg.norm(found - wanted) < 1e-3 * np.linalg.norm(wanted)
    assert found.sum() == pytest.approx(wanted.sum(), rel=1e-3)
    assert change.amplified[0] < 1.01 and change.misfit[0] < 1e-3


@pytest.mark.parametrize("name", names())
def test_stars_have_the_width_they_should_and_keep_their_flux(name: str) -> None:
    """A star seen at all phases of the coarse grid, interlaced: the effective PSF, finely sampled."""
    (fine, sharp), (scale, wide, stated) = fine_of(name), target(name)
    side, parts = 2 * int(5 * wide / fine) + 121, 8
    star = drawn(galsim.Gaussian(sigma=1e-4, flux=1000.0), sharp, fine, side)[None].astype(np.float32)
    count = 2 * (int(side * fine / scale - 1) // 2) + 1
    rows = []
    for phase in np.arange(parts) / parts - 0.5:
        grid = coarse_grid((side, side), scale / fine, (count, count), (phase, 0.0))
        found = Degrader((side, side), grid, fine, [gaussian(sharp)], [gaussian(wide)])(star)[0]
        assert found.sum() == pytest.approx(1000.0, rel=1e-3)
        x = scale * (np.arange(count) - (count - 1) / 2 - phase)
        rows.append(np.stack([x, found[count // 2]]))
    x, light = np.concatenate(rows, axis=1)
    order = np.argsort(x)
    dense = np.linspace(-2 * wide, 2 * wide, 40001)
    profile = np.interp(dense, x[order], light[order])
    above = dense[profile > 0.5 * profile.max()]
    assert above[-1] - above[0] == pytest.approx(stated, rel=0.01)


def blank(count: int, side: int, name: str, **arrays: np.ndarray) -> Batch:
    """Noiseless samples of nothing, in the band of a preset."""
    fine, sharp = fine_of(name)
    out = samples(count, arrays={"truth": np.zeros((count, 1, side, side), "f4")})
    psf = {"gaussian": {"fwhm_arcsec": sharp}}
    return out.with_arrays(**arrays).with_attributes(bands=(band_of(name),), pixel_scale_arcsec=fine, psf=psf)


def power(images: np.ndarray) -> np.ndarray:
    """Mean power of a pixel's noise in eight rings of frequency, of (N, h, w)."""
    height, width = images.shape[-2:]
    spectrum = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0) / (height * width)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.minimum((radius * 16).astype(int), 7)
    return np.bincount(ring.ravel(), spectrum.ravel()) / np.bincount(ring.ravel())


@pytest.mark.parametrize("name", names())
def test_noise_has_the_depth_and_the_power_spectrum_of_the_preset(name: str) -> None:
    chosen, band = survey(name), band_of(name)
    side = int(64 * chosen.pixel_scale_arcsec / fine_of(name)[0]) + 2
    out = Degrade(to=name, labels=(), shape=64)(blank(64, side, name), Stream(5))
    found = out.arrays["image"][:, 0].astype(np.float64)
    sky = sky_noise(chosen, band)
    tied, rms = sky.autocorrelation, sky.rms_njy
    assert found.std() == pytest.approx(rms, rel=0.02)
    assert np.sqrt(out.arrays["variance"].mean()) == pytest.approx(rms, rel=1e-5)
    other = unit_noise((400, 1, 64, 64), tied, Stream(9).torch())[:, 0].numpy() * rms
    assert power(found) == pytest.approx(power(other), rel=0.05)


@pytest.mark.parametrize("whiten", [False, True])
def test_only_missing_noise_is_added(whiten: bool) -> None:
    """An image whose noise, correlated after the optics, is a part of the survey's variance."""
    name, side, count = "hsc-wide", 190, 60
    own = unit_noise((count, 1, side, side), gaussian_autocorrelation(1.5), Stream(2).torch()).numpy()
    first = Degrade(to=name, input="image", labels=(), noisy=False)(
        blank(count, side, name, image=own), Stream(3)
    )
    had = first.arrays["image"][..., 6:-6, 6:-6].std()
    assert np.sqrt(first.arrays["variance"].mean()) == pytest.approx(had, rel=0.03)
    rms = sky_noise(survey(name), band_of(name)).rms_njy
    own *= rms / had / np.sqrt(80 if whiten else 3)
    out = Degrade(to=name, input="image", labels=(), whiten=whiten)(
        blank(count, side, name, image=own), Stream(3)
    )
    found = out.arrays["image"][:, 0, 4:-4, 4:-4]
    assert found.std() == pytest.approx(rms, rel=0.02)
    assert np.sqrt(np.median(out.arrays["variance"])) == pytest.approx(rms, rel=0.02)
    assert out.arrays["image_fine"] is not None
    rings = power(found.astype(np.float64)) / rms**2
    if whiten:
        assert rings == pytest.approx(np.ones(8), rel=0.06)
    else:
        assert rings[0] > 1.5  # the correlated part is still there


def test_an_image_noisier_than_the_survey_says_so() -> None:
    own = Stream(2).numpy().normal(0, 100, (2, 1, 100, 100)).astype(np.float32)
    with pytest.warns(UserWarning, match="exceeds that of the target: hsc_i"):
        Degrade(to="hsc-wide", input="image", labels=())(blank(2, 100, "hsc-wide", image=own), Stream(3))


def test_a_target_sharper_than_the_image_says_so() -> None:
    batch = blank(1, 64, "hsc-wide").with_attributes(psf={"gaussian": {"fwhm_arcsec": 0.9}})
    with pytest.warns(UserWarning, match="not everywhere broader"):
        Degrade(to="hsc-wide", labels=())(batch, Stream(1))


@pytest.mark.parametrize("times", [2.0, 10.0, 50.0])
def test_an_image_far_broader_than_the_target_says_so(times: float) -> None:
    change = Degrader(
        (200, 200), coarse_grid((200, 200), 2.0), 0.06, [gaussian(0.6 * times)], [gaussian(0.6)]
    )
    assert change.misfit[0] > 0.2
    broad = Psf(gaussian=Gaussian(fwhm_arcsec=0.6 * times))
    stage = Degrade(to="hsc-wide", bands=("hsc_i",), psf=broad, labels=())
    with pytest.warns(UserWarning, match="not everywhere broader"):
        stage(blank(1, 120, "hsc-wide").with_attributes(pixel_scale_arcsec=0.06), Stream(1, ("degrade",)))


def test_pixels_too_coarse_for_their_psf_say_by_how_much_a_star_is_wrong() -> None:
    """A star at every sub-pixel phase, through Airy optics that 0.06 arcsec undersample."""
    wavelength, side = 0.59, 160
    optics = galsim.Airy(lam=1e3 * wavelength, diam=2.4, obscuration=0.33, scale_unit=galsim.arcsec)
    broad = galsim.Gaussian(fwhm=0.2)
    change = Degrader(
        (side, side), coarse_grid((side, side), 1.5), 0.06, [airy(2.4, 0.33, wavelength)], [gaussian(0.2)]
    )
    wrong = []
    for dx, dy in ((0.0, 0.0), (0.25, 0.5), (0.5, 0.1), (0.75, 0.6)):
        star = optics.shift(0.06 * dx, 0.06 * dy).drawImage(nx=side, ny=side, scale=0.06, dtype=float).array
        found = change(star[None, None])[0, 0]
        n = len(found)
        wanted = broad.shift(0.06 * dx, 0.06 * dy).drawImage(nx=n, ny=n, scale=0.09, dtype=float).array
        wrong.append(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert change.aliased[0] == pytest.approx(np.sqrt(np.mean(np.square(wrong))), rel=0.4)
    assert change.aliased[0] > 0.01


def test_the_stage_warns_of_undersampled_images() -> None:
    stage = Degrade(to="euclid-wide", bands=("VIS",), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.05)), labels=())
    batch = blank(1, 120, "euclid-wide", truth=np.ones((1, 1, 120, 120), np.float32))
    with pytest.warns(UserWarning, match="undersample the image's PSF"):
        stage(batch.with_attributes(pixel_scale_arcsec=0.06), Stream(1, ("degrade",)))


def test_pixels_that_do_not_divide_the_image_are_as_exact() -> None:
    change = {}
    image = drawn(galaxies(0.5), 0.13, 0.06, 221)[None].astype(np.float32)
    for step in (2.8, 2.8 * (1 + 1e-7), 1.6180339887):
        grid = coarse_grid((221, 221), step)
        change[step] = Degrader((221, 221), grid, 0.06, [gaussian(0.13)], [gaussian(0.5)])(image)[0]
    assert change[2.8] == pytest.approx(change[2.8 * (1 + 1e-7)], abs=1e-4)
    wanted = drawn(galaxies(0.5), 0.5, 0.06 * 1.6180339887, change[1.6180339887].shape[0])
    assert np.linalg.norm(change[1.6180339887] - wanted) < 1e-4 * np.linalg.norm(wanted)


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("shape", [(96, 90), (75, 105)])
def test_an_image_goes_on_as_its_reflections(shape: tuple[int, int], skewed: bool) -> None:
    """Wings of bright sources at the edges come from far: from reflections of reflections."""
    image = np.random.default_rng(1).lognormal(0, 2, (1, *shape)).astype(np.float32)
    image[0, 3, 5] = 1e3
    wanted = moffat(0.5, 1.8)
    if skewed:
        round_psf = wanted.at
        wanted = PsfModel(lambda kx, ky: round_psf(kx, ky) * np.exp(0.3j * np.sin(kx + 0.5 * ky)), 30.0)
    grid = coarse_grid(shape, 2.3017, phase=(0.2, -0.4))
    twice = np.pad(image, [(0, 0), (0, shape[0]), (0, shape[1])], mode="symmetric")  # which is periodic
    psfs = [moffat(0.15, 2.5)], [wanted]
    change = Degrader(twice.shape[1:], grid, 0.06, *psfs, around=False, precise=True)
    expected, found = change(twice), Degrader(shape, grid, 0.06, *psfs)(image)
    assert np.abs(found - expected).max() < 1e-6 * expected.max()


def test_a_stored_psf_is_the_image_of_a_star() -> None:
    star = galsim.Convolve(galsim.Airy(lam=814, diam=2.4, obscuration=0.33), galsim.Pixel(0.06))
    wanted = star.drawImage(nx=31, ny=31, scale=0.06, method="no_pixel", dtype=np.float64).array
    found = psf_pixels(airy(2.4, 0.33, 0.814), 0.06, 31)
    assert found == pytest.approx(wanted, abs=2e-3 * wanted.max())
    twice = psf_pixels(scaled(gaussian(0.3), 2.0), 0.1, 31)
    assert twice == pytest.approx(psf_pixels(gaussian(0.6), 0.1, 31), abs=1e-7)


def test_labels_and_places_follow_onto_the_coarse_grid() -> None:
    labels = np.zeros((60, 60), dtype=np.int32)
    labels[10:30, 10:40], labels[50, 50] = 1, 2  # the second is smaller than a coarse pixel
    grid = coarse_grid((60, 60), 2.5)
    coarse = coarse_labels(labels, grid)
    assert coarse.shape == (24, 24)
    assert (coarse == 1).sum() == pytest.approx(20 * 30 / 2.5**2, rel=0.05)
    y, x = np.nonzero(coarse == 1)
    assert (x.mean(), y.mean()) == pytest.approx((grid.x(np.array(24.5)), grid.y(np.array(19.5))), abs=0.2)
    table = {
        "sample": np.zeros(2, dtype=int), "label": np.array([1, 2]), "x": np.array([24.5, 50.0]),
        "y": np.array([19.5, 50.0]), "area": np.array([600, 1]), "bbox_x0": np.array([10, 50]),
        "bbox_x1": np.array([40, 51]), "a": np.array([8.0, 1.0]), "flux_g": np.array([3.0, 4.0]),
    }  # fmt: skip
    moved = coarse_table(table, grid, {0: coarse})
    assert moved["area"].tolist() == [(coarse == 1).sum(), 0]
    assert moved["bbox_x0"][0] == x.min() and moved["bbox_x1"][0] == x.max() + 1
    assert moved["a"] == pytest.approx(table["a"] / 2.5) and moved["flux_g"] is table["flux_g"]
    assert moved["x"][0] == pytest.approx(x.mean(), abs=0.2)


def test_the_stage_keeps_the_fine_image_and_cuts_the_margin() -> None:
    truth = drawn(galaxies(0.4), 0.132, 0.06, 128)[None, None].astype(np.float32)
    labels = (truth[:, 0] > 0.02).astype(np.int32)
    batch = replace(blank(1, 128, "hsc-wide", truth=truth, instances=labels), margin=32)
    out = Degrade(to="hsc-wide", shape=21)(batch, Stream(1))
    assert out.margin == 0
    assert {k: v.shape for k, v in out.arrays.items()} == {
        "truth": (1, 1, 64, 64), "image": (1, 1, 21, 21), "image_noiseless": (1, 1, 21, 21),
        "variance": (1, 1, 21, 21), "instances": (1, 21, 21), "instances_fine": (1, 64, 64),
        "psf_in": out.arrays["psf_in"].shape, "psf_out": out.arrays["psf_out"].shape,
    }  # fmt: skip
    assert out.attributes["pixel_scale_arcsec"] == 0.168
    assert out.attributes["truth_pixel_scale_arcsec"] == 0.06
    whole = models(survey_psf("hsc-wide", ["hsc_i"]), ["hsc_i"])
    grid = coarse_grid((128, 128), 2.8, (21, 21))
    wanted = Degrader((128, 128), grid, 0.06, [gaussian(0.132)], whole)(truth[0])
    assert out.arrays["image_noiseless"][0] == pytest.approx(wanted, abs=1e-5)
    assert 0.9 < out.arrays["psf_out"].sum() < 1.001
    electrons = survey("hsc-wide").band("hsc_i").electrons_per_njy
    shot = out.arrays["variance"] - out.arrays["variance"].min()
    light = out.arrays["image_noiseless"]
    assert shot == pytest.approx((light - light.min()) / electrons, abs=1e-5)


def test_a_sweep_varies_seeing_depth_and_pixels_from_sample_to_sample() -> None:
    sweep = Sweep(
        fwhm_factor=Varying("choice", (0.8, 1.4)),
        depth_offset_mag=Varying("uniform", (-1.0, 1.0)),
        pixel_scale_arcsec=Varying("choice", (0.15, 0.2)),
    )
    out = Degrade(to="hsc-wide", shape=24, sweep=sweep, labels=())(blank(24, 128, "hsc-wide"), Stream(1))
    seeing, depth, scale = (out.arrays[k] for k in ("fwhm_factor", "depth_offset_mag", "pixel_scale"))
    assert set(np.round(seeing, 3)) == {np.float32(0.8), np.float32(1.4)} and np.ptp(depth) > 1
    noise = np.sqrt(out.arrays["variance"].mean(axis=(1, 2, 3)))
    wanted = sky_noise(survey("hsc-wide"), "hsc_i", 1.0).rms_njy * scale * 10 ** (-0.4 * depth)
    assert noise == pytest.approx(wanted, rel=1e-4)
    assert out.arrays["image"].std(axis=(1, 2, 3)) == pytest.approx(noise, rel=0.15)
    peak = out.arrays["psf_out"].max(axis=(1, 2, 3)) / scale**2
    assert peak[seeing < 1].min() > 2 * peak[seeing > 1].max()


def test_what_does_not_fit_is_said() -> None:
    batch = blank(1, 64, "hsc-wide").with_attributes(bands=("F160W",))
    with pytest.raises(InputError, match=r"no band .F160W. and none near its 1.54 micron; name.*--target"):
        Degrade(to="hsc-wide", labels=())(batch, Stream(1))
    with pytest.raises(InputError, match=r"2 bands of .* for 1 of the image"):
        Degrade(to="hsc-wide", labels=(), bands=("hsc_r", "hsc_i"))(batch, Stream(1))
    with pytest.raises(InputError, match="PSF of the images is not known"):
        Degrade(to="hsc-wide", labels=(), bands=("hsc_i",))(batch.with_attributes(psf=None), Stream(1))
    with pytest.raises(InputError, match="did you mean 'hsc-wide'"):
        Degrade(to="hsc-wade")
    with pytest.raises(ValueError, match="are for input: image"):
        Degrade(to="hsc-wide", whiten=True)


def test_a_band_of_another_name_finds_the_nearest_in_wavelength_and_says_so() -> None:
    batch = blank(1, 90, "hsc-wide").with_attributes(bands=("F606W",))
    with pytest.warns(UserWarning, match="nearest in wavelength: hsc_r for F606W"):
        out = Degrade(to="hsc-wide", labels=())(batch, Stream(1))
    assert out.attributes["bands"] == ("hsc_r",)
    for to, own, wanted in (
        ("lsst-10yr", ("g", "r"), ("lsst_g", "lsst_r")),
        ("euclid-wide", ("F814W", "F105W", "F160W"), ("VIS", "NISP_Y", "NISP_J")),
        ("roman-hlwas-medium", ("F105W", "F125W", "F160W"), ("F106", "F129", "F158")),
        ("hst-xdf", ("hsc_g", "hsc_r"), ("F435W", "F606W")),
    ):
        found, said = matched_bands(survey(to), own)
        assert found == wanted and all(band in said for band in own)
    assert matched_bands(survey("hsc-wide"), ("hsc_i",)) == (("hsc_i",), "")
    with pytest.raises(
        InputError, match=r"hsc_i is the band nearest to F775W and F814W.*: hsc_r,hsc_i,hsc_z"
    ):
        matched_bands(survey("hsc-wide"), ("F606W", "F775W", "F814W"))
    with pytest.raises(InputError, match=r"hsc_y$"):  # no three bands are near enough
        matched_bands(survey("hsc-wide"), ("F775W", "hsc_i", "F814W", "F850LP"))


def test_noise_of_ones_own_and_a_psf_of_ones_own() -> None:
    psf = Psf(gaussian=Gaussian(fwhm_arcsec=1.5))
    stage = Degrade(to="hsc-wide", labels=(), noise=Noise(rms_njy=(3.0,)), psf_out=psf, shape=20)
    out = stage(blank(50, 90, "hsc-wide"), Stream(1))
    assert out.arrays["image"].std() == pytest.approx(3.0, rel=0.02)
    assert out.attributes["psf_fwhm_arcsec"][0] == pytest.approx(1.5, rel=1e-3)


def test_colours_make_the_bands_of_the_target() -> None:
    """A star whose spectrum is among those fitted: its flux in the other bands, each with its PSF."""
    spectra, z = Spectra(templates=Templates()), np.array([0.5])
    own, other = ("F606W", "F775W", "F850LP"), ("lsst_r", "lsst_i", "lsst_z")
    flux = sed_fluxes(spectra, (*own, *other), z, z, np.array([2]))[0]
    flux *= 1e4 / flux[0]
    star = drawn(galsim.Gaussian(sigma=1e-4), 0.132, 0.06, 181)
    truth = (flux[:3, None, None] * star)[None].astype(np.float32)
    batch = blank(1, 181, "hsc-wide", truth=truth).with_attributes(bands=own)
    colours = Colours(bands=other, spectra=spectra, z_max=1.5)
    stage = Degrade(to="lsst-10yr", labels=(), bands=("lsst_r", "lsst_i", "lsst_z"), colours=colours)
    found = stage(batch, Stream(1)).arrays["image_noiseless"][0]
    scatter = mixing(colours, own, colours.bands).scatter
    assert (scatter < 0.05).all()
    mean = flux[:3].mean()
    assert found.sum(axis=(1, 2)) == pytest.approx(flux[3:], abs=3 * scatter.max() * mean)
    for c, width in enumerate(stage(batch, Stream(1)).attributes["psf_fwhm_arcsec"]):
        optics = galsim.Moffat(beta=survey("lsst-10yr").moffat_beta, fwhm=width)
        side = found.shape[-1]
        wanted = optics.drawImage(nx=side, ny=side, scale=0.2, dtype=np.float64).array
        shape = found[c] / found[c].sum()
        assert np.linalg.norm(shape - wanted / wanted.sum()) < 2e-3 * np.linalg.norm(wanted)
    two = replace(colours, bands=other[:2])
    both = replace(stage, bands=("lsst_r", "lsst_i"), colours=two)(batch, Stream(1))
    assert both.arrays["image"].shape[1] == 2 and both.attributes["bands"] == ("lsst_r", "lsst_i")
    with pytest.raises(InputError, match="give a curve for each"):
        replace(stage, colours=two)(batch, Stream(1))


def test_mixed_noise_is_known() -> None:
    own = Stream(2).numpy().normal(0, 1, (80, 3, 160, 160)).astype(np.float32)
    batch = blank(80, 160, "hsc-wide", image=own).with_attributes(bands=("F606W", "F775W", "F850LP"))
    colours = Colours(bands=("lsst_r", "lsst_i"), spectra=Spectra(templates=Templates()))
    stage = Degrade(
        to="lsst-10yr", input="image", labels=(), bands=("lsst_r", "lsst_i"), colours=colours, noisy=False
    )
    out = stage(batch, Stream(1))
    inner = out.arrays["image"][..., 6:-6, 6:-6]
    assert inner.std(axis=(0, 2, 3)) == pytest.approx(np.sqrt(out.arrays["variance"][0, :, 0, 0]), rel=0.03)


def test_what_was_degraded_can_be_detected_and_masked() -> None:
    truth = 3e4 * drawn(galaxies(0.5), 0.132, 0.06, 300)[None, None].astype(np.float32)
    mask = np.zeros((1, 300, 300), dtype=bool)
    mask[:, :40, :40] = True
    batch = blank(1, 300, "hsc-wide", truth=truth, mask=mask)
    seen = Degrade(to="hsc-wide", labels=())(batch, Stream(1))
    coarse = seen.arrays["mask"][0]
    assert coarse.shape == seen.arrays["image"].shape[-2:] and coarse[:13, :13].all()
    assert not coarse[18:, 18:].any() and seen.arrays["mask_fine"].shape == (1, 300, 300)
    found = Detect(background_mesh=107)(seen, Stream(1)).tables["catalogue"]
    assert len(found["label"]) >= 2
    light = seen.arrays["image_noiseless"].sum()
    assert found["true_flux_iso_hsc_i"].sum() == pytest.approx(light, rel=0.2)
