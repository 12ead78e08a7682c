"""A sky is what is requested of it: depth, seeing, density, member."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, correlate, gaussian_filter
from typer.testing import CliRunner

from mockforge.config import fixed, uniform
from mockforge.errors import InputError
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.surveys.read import survey
from mockforge.rng import Stream
from mockforge.sgan.config import Forge, Smith2019
from mockforge.sgan.density import DensityScale
from mockforge.sgan.lattice.instrument import FWHM_PER_SIGMA, Instrument
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.asked import parse
from mockforge.sgan.paint.blur import Blur, gaussian_kernels
from mockforge.sgan.paint.control import RmsMap, autocorrelation, control
from mockforge.sgan.paint.density_plane import DensityPlane
from mockforge.sgan.paint.sky import TILE, Sky
from mockforge.sgan.painter import Scaling
from mockforge.sgan.save import save_model
from mockforge.stages.sgan import Sgan
from tests.builders.batches import samples
from tests.builders.lumpy_sky import lumpy

KERNEL = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
MAP = (((0.8, 1.2), (1.0, 1.1)), ((1.3, 0.9), (0.7, 1.0)))
INSTRUMENT = Instrument(
    rms_njy=(3.0, 5.0), psf_fwhm_pix=(3.0, 2.5), noise_kernel=(KERNEL, KERNEL), rms_map=MAP, rms_mesh=64
)
OWN = (0.7, 0.6)
"""FWHM in arcsec of the model's stars."""


@pytest.fixture(scope="module")
def model() -> SganModel:
    made = SganModel(
        "tiny", Forge(z_channels=8), ("g", "r"), INSTRUMENT,
        pixel_scale_arcsec=0.2, psf_fwhm_arcsec=OWN,
    )  # fmt: skip
    return lumpy(made, 1.2)


def noise_of(sky: Sky, side: int = 512) -> np.ndarray:
    field = sky[0:side, 0:side]
    assert field.truth is not None
    return field.image - field.truth


def test_a_source_at_the_depth_has_5_sigma(model):
    """Measured: the scatter of PSF-weighted fluxes in noise alone, at magnitude 26 in g and 25.5 in r."""
    asked = {"g": 26.0, "r": 25.5}
    sky = Sky(model, 3, depth=asked, kept_tiles=0)
    cuts = [sky[y : y + 512, 0:512] for y in (0, 512)]
    for i, band in enumerate(model.bands):
        noise = np.concatenate([cut.image[i] - cut.truth[i] for cut in cuts])
        sigma = OWN[i] / 0.2 / FWHM_PER_SIGMA
        y, x = np.mgrid[-12:13, -12:13]
        psf = np.exp(-(y**2 + x**2) / (2 * sigma**2))
        psf /= psf.sum()
        flux = correlate(noise, psf)[20:-20, 20:-20] / (psf**2).sum()
        limit = 10 ** (-0.4 * (asked[band] - 31.4))
        assert 5 * flux.std() == pytest.approx(limit, rel=0.04)


def test_depth_leaves_the_noiseless_sky_and_the_noise_correlation(model):
    deep, own = Sky(model, 3, depth=29.0), Sky(model, 3)
    assert np.array_equal(deep[0:64, 0:64].truth, own[0:64, 0:64].truth)
    noise = noise_of(deep)[0]
    assert noise.std() < 1.0  # the field's own: 3 nJy
    found = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert found == pytest.approx(autocorrelation(INSTRUMENT, 0)[2, 3], abs=0.01)
    assert found == pytest.approx(2 * 0.1 * 0.98 / (4 * 0.01 + 0.98**2), abs=0.02)


def test_a_band_that_is_not_named_stays_as_it_is(model):
    own, deep = (Sky(model, 3, depth=d)[0:200, 0:200] for d in (None, {"g": 27.0}))
    assert np.array_equal(own.image[1], deep.image[1])
    assert not np.array_equal(own.image[0], deep.image[0])


def test_rms_is_taken_as_it_is(model):
    found = noise_of(Sky(model, 1, rms={"g": 0.5, "r": 0.0})).std(axis=(1, 2))
    assert found == pytest.approx([0.5, 0.0], rel=0.03)


def test_the_noise_follows_a_map_from_the_first_pixel(model):
    njy = np.array([[[1.0, 4.0], [2.0, 8.0]], [[3.0, 3.0], [3.0, 3.0]]])
    sky = Sky(model, 1, rms=RmsMap(njy, 256))
    noise = noise_of(sky)
    at = [noise[0, y - 24 : y + 24, x - 24 : x + 24].std() for y in (128, 384) for x in (128, 384)]
    assert at == pytest.approx([1, 4, 2, 8], rel=0.15)
    assert sky.rms(128, 129, 128, 129)[0] == pytest.approx(1.0, rel=0.02)
    with pytest.raises(InputError, match="a map"):
        Sky(model, rms=RmsMap(njy[:1], 256))


def test_by_default_the_noise_follows_the_map_of_the_field(model):
    sky, other = Sky(model, 1), Sky(model, 2)
    noise, rms = noise_of(sky), sky.rms(0, 512, 0, 512)
    assert (noise / rms).std(axis=(1, 2)) == pytest.approx([1, 1], rel=0.02)
    high, low = (rms[0] > np.quantile(rms[0], q) for q in (0.9, 0.1))
    assert noise[0][high].std() / noise[0][~low].std() == pytest.approx(
        rms[0][high].mean() / rms[0][~low].mean(), rel=0.05
    )
    assert rms[0].max() / rms[0].min() > 1.3
    assert not np.array_equal(rms, other.rms(0, 512, 0, 512))  # each seed begins elsewhere
    assert np.ptp(Sky(model, 1, depth=26.0).rms(0, 99, 0, 99)[0]) == 0.0


def test_a_surveys_noise_per_area_and_gain(model):
    made = control(model, depth={"g": "kids-dr4", "r": "hsc-wide:hsc_i"}).instrument
    kids, hsc = survey("kids-dr4"), survey("hsc-wide")
    known = [autocorrelation(INSTRUMENT, i) for i in (0, 1)]
    assert made.rms_njy[0] == sky_noise(kids, "kids_g", 0.2, known[0]).rms_njy
    assert made.rms_njy[1] == sky_noise(hsc, "hsc_i", 0.2, known[1]).rms_njy
    assert made.electrons_per_njy == (
        kids.band("kids_g").electrons_per_njy, hsc.band("hsc_i").electrons_per_njy
    )  # fmt: skip
    with_z = replace(model, bands=("r", "Z"))
    assert (
        control(with_z, depth="lsst-10yr").instrument.rms_njy[1]
        == sky_noise(survey("lsst-10yr"), "lsst_z", 0.2, known[1]).rms_njy
    )
    with pytest.raises(InputError, match=r"no band like Z.*kids_u, kids_g, kids_r, kids_i"):
        control(with_z, depth="kids-dr4")
    with pytest.raises(InputError, match="did you mean 'hsc-wide'"):
        control(model, depth="hsc-wid")


def test_a_known_gain_goes_with_the_exposure(model):
    gained = replace(model, instrument=replace(INSTRUMENT, electrons_per_njy=(4.0, 8.0)))
    assert control(gained, rms={"g": 1.5}).instrument.electrons_per_njy == (16.0, 8.0)


def test_more_seeing_is_a_convolution_with_what_is_missing(model):
    """Against scipy's Gaussian filter of the sky as it is, over the border of canonical tiles."""
    side = 2 * TILE
    own = Sky(model, 5)[-20 : side + 20, -20 : side + 20].truth
    field = Sky(model, 5, seeing={"g": 1.0, "r": 0.9})[0:side, 0:side]
    assert field.psf_fwhm_arcsec == (1.0, 0.9)
    for i, wanted in enumerate((1.0, 0.9)):
        sigma = math.sqrt(wanted**2 - OWN[i] ** 2) / 0.2 / FWHM_PER_SIGMA
        expected = gaussian_filter(own[i], sigma, truncate=6)[20:-20, 20:-20]
        assert (
            np.abs(field.truth[i] - expected).max() < 1e-3 * np.abs(expected - own[i, 20:-20, 20:-20]).max()
        )


@pytest.mark.parametrize("wanted", [3.52, 3.6, 4.5, 6.0, 9.0])
def test_a_star_gets_the_width_that_was_asked_for(wanted):
    """A Gaussian star in pixels, blurred, against galsim's drawing of the broader one."""
    import galsim

    def star(fwhm):
        return galsim.Gaussian(fwhm=fwhm).shift(0.3, -0.2).drawImage(nx=81, ny=81, scale=1.0).array

    (row,) = gaussian_kernels((math.sqrt(wanted**2 - 3.5**2),))
    places = np.arange(len(row)) - len(row) // 2
    assert sum(row) == pytest.approx(1.0, abs=1e-12)
    assert FWHM_PER_SIGMA**2 * (row * places**2).sum() == pytest.approx(wanted**2 - 3.5**2, rel=1e-3)
    blurred = convolve1d(convolve1d(star(3.5), row, axis=0, mode="constant"), row, axis=1, mode="constant")
    assert np.abs(blurred - star(wanted)).max() < 5e-4 * star(wanted).max()


def test_blur_is_the_convolution_of_its_rows():
    rows = gaussian_kernels((3.0, 0.0))
    radius = len(rows[0]) // 2
    flux = Stream(1).numpy().standard_normal((1, 2, 60, 50)).astype(np.float32)
    found = Blur(rows)(torch.from_numpy(flux))[0].numpy()
    assert found[1] == pytest.approx(flux[0, 1, radius:-radius, radius:-radius], abs=1e-6)
    expected = convolve1d(convolve1d(flux[0, 0], rows[0], axis=0), rows[0], axis=1)
    assert found[0] == pytest.approx(expected[radius:-radius, radius:-radius], abs=1e-5)
    assert gaussian_kernels((0.0, 0.0)) == ()


def test_seeing_that_cannot_be_had(model, tmp_path):
    with pytest.raises(InputError, match=r"0\.65 arcsec in g is sharper than the 0\.7 arcsec"):
        Sky(model, seeing=0.65)
    blind = tmp_path / "blind.yaml"
    blind.write_text(
        "{title: Blind, pixel_scale_arcsec: 0.2, bands: {r: {rms_njy: 2}}, sources: {rms_njy: a paper}}"
    )
    with pytest.raises(InputError, match="PSF of Blind in r is not known"):
        control(model, seeing={"r": str(blind)})
    assert control(model, seeing={"r": "kids-dr4"}).psf_fwhm_arcsec == (0.7, 0.7)
    assert control(model, seeing={"r": 0.6}).blur == ()
    with pytest.raises(InputError, match="PSF of tiny in r is not known"):
        control(replace(model, psf_fwhm_arcsec=(0.7, math.nan)), seeing=1.0)


def test_a_sky_is_the_same_bits_in_any_window_whatever_is_asked(model):
    how = {"depth": 26.0, "seeing": 1.1, "member": 0}
    one, two = Sky(model, 7, kept_tiles=0, **how), Sky(model, 7, **how)
    first = one[-40:200, 90:300]
    second = two[-130:100, 100:420]
    for a, b in ((first.image, second.image), (first.truth, second.truth)):
        assert np.array_equal(a[:, 40:140, 30:120], b[:, 130:230, 20:110])


def test_what_a_command_line_says():
    assert parse("--depth", "25.5") == 25.5
    assert parse("--depth", "euclid-wide") == "euclid-wide"
    assert parse("--depth", "g=25.5, r=euclid-wide:VIS") == {"g": 25.5, "r": "euclid-wide:VIS"}
    assert parse("--depth", None) is None
    for bad in ("g=", "g=25,g=26", "=25"):
        with pytest.raises(InputError, match="--depth: should be such as"):
            parse("--depth", bad)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"depth": {"gg": 25.0}}, "no band 'gg'; did you mean|no band 'gg'"),
        ({"depth": math.nan}, "an AB magnitude"),
        ({"depth": -3.0}, "an AB magnitude"),
        ({"seeing": -1.0}, "above 0"),
        ({"rms": -1.0}, "0 or more"),
        ({"depth": 25.0, "rms": 1.0}, "one of them"),
        ({"density": 1.0}, "not trained with the density"),
        ({"member": 3}, "member"),
    ],
)
def test_what_cannot_be_asked(model, asked, message):
    with pytest.raises(InputError, match=message):
        Sky(model, **asked)


def test_a_network_that_paints_noise_has_none_to_set():
    smith = SganModel(
        "tiny-smith", Smith2019(z_channels=6, widths=(12, 8, 8, 8)), ("g", "r"), INSTRUMENT,
        scaling=Scaling((-10.0, -20.0), (100.0, 200.0)),
    )  # fmt: skip
    for asked in ({"depth": 25.0}, {"seeing": 1.0}, {"rms": 1.0}):
        with pytest.raises(InputError, match="paints observed pixels"):
            Sky(smith, **asked)


def test_density_varies_over_a_sky_as_it_was_counted():
    """Unit variance, the autocorrelation of two Gaussians of the counting's sigma, any window."""
    scale = DensityScale(levels=tuple(np.linspace(0.2, 2.5, 21)), smooth_pix=64.0)
    plane = DensityPlane(Stream(4), scale)
    whole = plane.window(0, 600, -300, 300)[0]
    assert np.array_equal(plane.window(100, 140, -10, 44)[0], whole[100:140, 290:344])
    assert whole.std() == pytest.approx(1.0, abs=0.07)
    for lag in (3, 6):
        found = (whole[:, lag:] * whole[:, :-lag]).mean() / whole.var()
        assert found == pytest.approx(math.exp(-(lag**2) / (4 * 4.0**2)), abs=0.06)
    assert np.abs(whole).max() <= 2.5


def test_density_is_the_last_channel_of_z(model):
    """As requested everywhere, and a field of its own by default; windows stay the same bits."""
    scale = DensityScale(levels=tuple(np.linspace(0.2, 2.5, 21)), smooth_pix=48.0)
    taught = replace(model, density=scale)
    own, dense, thin = Sky(taught, 3), Sky(taught, 3, density=1.8), Sky(taught, 3, density=0.6)
    cells = [sky._cells(-3, 5, 12)[0].numpy() for sky in (own, dense, thin)]
    for z, factor in zip(cells[1:], (1.8, 0.6), strict=True):
        assert z[-1] == pytest.approx(np.full((12, 12), scale.condition(factor)))
        assert np.array_equal(z[:-1], cells[0][:-1])
    assert np.array_equal(cells[0][-1], own._density.window(-3, 9, 5, 17)[0])
    a, b, c = (sky[0:64, 0:64].truth for sky in (own, dense, thin))
    assert not np.array_equal(a, b) and not np.array_equal(b, c)
    assert np.array_equal(Sky(taught, 3, kept_tiles=0)[-50:64, -9:64].truth[:, 50:, 9:], a)
    for factor in (0.1, 2.6):
        with pytest.raises(InputError, match="the training field covers"):
            Sky(taught, density=factor)


def test_the_sky_of_these_tests_is_no_blank(model):
    truth = Sky(model, 3)[0:256, 0:256].truth
    assert (truth.std(axis=(1, 2)) > 0.5).all() and np.isfinite(truth).all()


def test_the_stage_draws_what_varies_for_each_sample(model, tmp_path):
    path = str(save_model(model, tmp_path))
    stage = Sgan(model=path, tile=128, margin=8, depth=uniform(25.0, 28.0), seeing=uniform(0.8, 1.2))
    stream = Stream(11, ("shard", 0, "sgan"))
    made = stage(samples([0, 1, 2, 70]), stream)
    again = stage(samples([70, 1]), Stream(11, ("shard", 5, "sgan")))
    for name in ("image", "truth"):
        assert np.array_equal(again.arrays[name], made.arrays[name][[3, 1]])
    table = made.tables["tile"]
    noise = (made.arrays["image"] - made.arrays["truth"]).std(axis=(2, 3))
    assert noise[:, 0] == pytest.approx(table["sky_rms_g"], rel=0.05)
    assert len(set(table["sky_rms_g"].tolist())) == 4
    assert ((table["fwhm_g"] >= 0.8) & (table["fwhm_g"] <= 1.2)).all()
    assert "psf_fwhm_arcsec" not in made.attributes
    one = Sgan(model=path, tile=128, margin=8, seeing=fixed(0.9))(samples([0]), stream)
    assert one.attributes["psf_fwhm_arcsec"] == (0.9, 0.9)
    sky = Sky(model, 11, seeing=0.9)
    assert np.array_equal(one.trimmed().arrays["image"][0], sky[8:136, 8:136].image)


def test_a_dataset_is_painted_by_all_members(model, tmp_path):
    weights = {f"{k}/{name}": (1 - 0.2 * k) * w for k in range(3) for name, w in model.weights.items()}
    ensemble = replace(model, weights=weights, members=(30, 20, 10))
    stage = Sgan(model=str(save_model(ensemble, tmp_path)), tile=64, margin=0)
    made = stage(samples([0, 1, 2, 3]), Stream(5, ("shard", 0, "sgan")))
    assert made.tables["tile"]["member"].tolist() == [0, 1, 2, 0]
    for i, k in enumerate((0, 1, 2, 0)):
        y, x = (int(made.tables["tile"][key][i]) for key in ("sky_y0", "sky_x0"))
        one = Sky(ensemble, 5, member=k)[y : y + 64, x : x + 64]
        assert np.array_equal(made.arrays["image"][i], one.image)
    assert {Sky(ensemble, seed).member for seed in range(12)} == {0, 1, 2}
    only = Sgan(model=str(save_model(ensemble, tmp_path)), tile=64, margin=0, member=2)
    assert only(samples([0, 1]), Stream(5)).tables["tile"]["member"].tolist() == [2, 2]


def test_a_recipe_is_refused_where_the_model_cannot(model, tmp_path):
    from mockforge.recipe.read import loads

    path = save_model(model, tmp_path)

    def recipe(extra: str) -> str:
        return (
            f"name: x\nseed: 1\nsamples: 4\nsplits: {{train: 1.0}}\nstages:\n"
            f"  - sgan: {{model: {path}, tile: 64, {extra}}}\nsave: {{image: float32}}\n"
        )

    stage = loads(recipe("depth: {g: 25.5, r: hsc-wide}, seeing: {uniform: [0.8, 1.0]}"), "r").stages[0].stage
    assert stage.depth == {"g": 25.5, "r": "hsc-wide"}
    assert loads(recipe("depth: hsc-wide"), "r").stages[0].stage.depth == "hsc-wide"
    assert loads(recipe("depth: 26"), "r").stages[0].stage.depth.values == (26.0,)
    for bad, message in (
        ("seeing: {uniform: [0.5, 1.0]}", "0.5 arcsec in g is sharper"),
        ("depth: euclid-wide", "no band like g"),
        ("density: 1.2", "not trained with the density"),
        ("member: 4", "member"),
        ("depth: {x: 25}", "no band 'x'"),
        ("depth: [25]", "depth"),
    ):
        with pytest.raises(InputError, match=message) as found:
            loads(recipe(bad), "r")
        assert "r:6" in str(found.value)


def test_generate_takes_what_is_asked_and_says_it_in_the_header(model, tmp_path):
    from astropy.io import fits

    from mockforge.cli import app

    path = save_model(model, tmp_path / "model")
    words = ["generate", "-m", str(path), "--size", "64", "-q", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*words, "--depth", "26.25", "--seeing", "g=0.9", "--member", "0"])
    assert done.exit_code == 0, done.output
    with fits.open(tmp_path / "out" / "tiny-1.fits") as units:
        header = units[0].header
        assert [header["MFDEPTH1"], header["MFDEPTH2"]] == pytest.approx([26.25, 26.25])
        assert header["MFRMS1"] == pytest.approx(
            control(model, depth=26.25, seeing={"g": 0.9}).instrument.rms_njy[0]
        )
        assert [units[i].header["PSFFWHM"] for i in (1, 2)] == [0.9, 0.6]
    for extra, message in (
        (["--seeing", "0.3"], "sharper"),
        (["--density", "1.5"], "not trained with the density"),
        (["--depth", "nosuchsurvey"], "unknown survey"),
        (["--scene", "scene_xdf_like", "--depth", "25"], "--depth: for models"),
    ):
        if "--scene" in extra:
            done = CliRunner().invoke(app, ["generate", "--out", str(tmp_path / "no"), *extra])
        else:
            done = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "no"), *extra])
        assert done.exit_code == 2, done.output
        assert message in done.output
        assert not (tmp_path / "no").exists()
