"""Injected objects: against galsim, against the population, in flux, labels, noise and the table."""

from dataclasses import replace

import galsim
import numpy as np
import pytest

from mockforge.batch import Batch
from mockforge.config import fixed, uniform
from mockforge.errors import InputError
from mockforge.galaxies.population import hst_population
from mockforge.galaxies.real.rule import RealStamps
from mockforge.label.completeness import section
from mockforge.label.matching import light_shared
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.rng import Stream
from mockforge.scene.injected import _magnitudes, _pool, lattice
from mockforge.scene.light import galaxy_fluxes
from mockforge.scene.model import Structure
from mockforge.stages.detect import Detect
from mockforge.stages.inject import Inject
from mockforge.stages.match import Match
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples
from tests.builders.galaxy_files import drawn as pixels
from tests.builders.galaxy_files import write_real

SCALE, FWHM = 0.2, (0.78, 0.59, 0.88)
PLAIN = Structure(bulges=False, knots=0)


def sky(count: int = 2, side: int = 96, margin: int = 16, rms: float = 0.0, **attributes) -> Batch:
    """Empty sky in three bands, with noise, as a painted sky comes."""
    noise = Stream(5).numpy().normal(0, 1, (count, 3, side + 2 * margin, side + 2 * margin)) * rms
    return samples(
        count, first=7,
        arrays={"image": noise.astype(np.float32), "truth": np.zeros_like(noise, dtype=np.float32)},
        attributes={
            "bands": ("g", "r", "Z"), "unit": "nJy", "zeropoint_ab": 31.4, "pixel_scale_arcsec": SCALE,
            "psf_fwhm_arcsec": FWHM,
        } | attributes,
        margin=margin,
    )  # fmt: skip


def drawn(table, i: int, size: int, margin: int) -> np.ndarray:
    """What galsim draws for row `i`, (3, size, size): Sersic and Gaussian integrated over pixels."""
    out = []
    for band, fwhm in zip(("g", "r", "Z"), FWHM, strict=True):
        psf = galsim.Gaussian(fwhm=fwhm)
        if not table["star"][i]:
            q, n = float(table["axis_ratio"][i]), float(table["n"][i]) or 1.0  # 0: a picture
            body = galsim.Sersic(n=n, half_light_radius=float(table["r_e_arcsec"][i]) * np.sqrt(q))
            angle = float(table["position_angle"][i]) * galsim.degrees
            psf = galsim.Convolution(body.shear(q=q, beta=angle), psf)
        place = [float(table[k][i]) + margin - (size - 1) / 2 for k in ("x", "y")]
        seen = psf.withFlux(float(table[f"true_flux_{band}"][i]))
        out.append(pixels(seen, size, SCALE, offset=place))
    return np.stack(out)


def test_galaxies_and_stars_are_what_galsim_draws() -> None:
    """One sample of a few objects: per pixel, to a thousandth of the brightest pixel."""
    rule = Inject(
        galaxies_per_arcmin2=fixed(15), stars_per_arcmin2=fixed(8), magnitude=uniform(20, 23),
        star_magnitude=uniform(20, 23), structure=PLAIN, edge_mag_arcsec2=34.0,
    )  # fmt: skip
    made = rule(sky(1), Stream(7))
    table, truth = made.tables["objects"], made.arrays["truth"][0]
    inside = table["inside"]
    assert (inside & table["star"]).any() and (inside & ~table["star"] & (table["n"] < 2)).any()
    theirs = np.sum([drawn(table, i, 128, 16) for i in range(len(inside))], axis=0)
    core = np.s_[:, 16:-16, 16:-16]
    assert truth[core].sum() > 0
    assert np.abs(truth - theirs)[core].max() < 1e-3 * theirs[core].max()
    assert np.abs(truth - theirs)[core].sum() < 5e-3 * theirs[core].sum()


@pytest.mark.parametrize("band", [None, "g"])
def test_magnitudes_are_the_drawn_ones_in_their_band(band: str | None) -> None:
    rule = Inject(
        galaxies_per_arcmin2=fixed(60), stars_per_arcmin2=fixed(30), magnitude=fixed(23.0),
        star_magnitude=fixed(21.0), band=band,
    )  # fmt: skip
    table = rule(sky(), Stream(3)).tables["objects"]
    flux = np.stack([table[f"true_flux_{b}"] for b in ("g", "r", "Z")])
    one = flux.mean(axis=0) if band is None else flux[0]
    wanted = np.where(table["star"], 21.0, 23.0)
    assert 31.4 - 2.5 * np.log10(one) == pytest.approx(wanted, abs=1e-9)
    assert table["magnitude"].tolist() == wanted.tolist()
    assert np.ptp(flux[0] / flux[2]) > 0.1  # they differ in colour


def test_the_light_of_an_object_is_its_flux_times_its_fraction() -> None:
    made = Inject(galaxies_per_arcmin2=fixed(30), stars_per_arcmin2=fixed(20))(sky(4), Stream(4))
    table, truth = made.tables["objects"], made.trimmed().arrays["truth"]
    for k, sample in enumerate(made.sample.tolist()):
        mine = table["sample"] == sample
        flux = np.mean([table[f"true_flux_{b}"] for b in ("g", "r", "Z")], axis=0)
        expected = (flux * table["fraction"])[mine].sum()
        assert truth[k].mean(axis=0).sum() == pytest.approx(expected, rel=1e-3)
    whole = table["fraction"] > 0.97
    assert whole.sum() > 5 and (table["fraction"][~table["inside"]] < 0.6).all()


def test_image_and_truth_get_the_same_light_without_a_gain() -> None:
    before = sky(rms=10.0)
    after = Inject()(before, Stream(1))
    more = after.arrays["truth"] - before.arrays["truth"]
    assert more.max() > 100
    assert after.arrays["image"] - before.arrays["image"] == pytest.approx(more, abs=2e-3)


def test_photon_noise_has_the_variance_of_the_light_over_the_gain() -> None:
    rule = Inject(galaxies_per_arcmin2=fixed(30), magnitude=uniform(20, 21))
    made = rule(sky(6, electrons_per_njy=(0.5, 0.0, 2.0)), Stream(1))
    truth, noise = made.arrays["truth"], made.arrays["image"] - made.arrays["truth"]
    assert (noise[:, 1] == 0).all()
    for c, gain in ((0, 0.5), (2, 2.0)):
        bright = truth[:, c] > 50
        assert (noise[:, c][bright] ** 2 / (truth[:, c][bright] / gain)).mean() == pytest.approx(1, abs=0.05)


def test_pixels_end_at_the_saturation() -> None:
    made = Inject(star_magnitude=fixed(16.0), stars_per_arcmin2=fixed(20))(
        sky(saturation_njy=(500.0, np.inf, 800.0)), Stream(1)
    )
    assert [made.arrays["image"][:, c].max() for c in (0, 2)] == [500.0, 800.0]
    assert made.arrays["image"][:, 1].max() > 800 and made.arrays["truth"][:, 0].max() > 500


def test_shares_give_every_objects_light_back() -> None:
    """On a sky with light of its own, which is nobody's."""
    before = sky(1)
    ground = before.with_arrays(truth=before.arrays["truth"] + 5.0, image=before.arrays["image"] + 5.0)
    made = Inject(galaxies_per_arcmin2=fixed(10), overlap=12)(ground, Stream(6)).trimmed()
    label, share = made.arrays["overlap_label"][0], made.arrays["overlap_fraction"][0]
    table = made.tables["objects"]
    assert share.sum(axis=0) == pytest.approx(1.0, abs=1e-5)
    truth = made.arrays["truth"][0].mean(axis=0)
    none = np.zeros(truth.shape, dtype=np.int32)
    light = light_shared(none, truth, label, share, 0, len(table["label"]))[0]
    mean = np.mean([table[f"true_flux_{b}"] for b in ("g", "r", "Z")], axis=0)
    assert table["label"].tolist() == list(range(1, len(mean) + 1))
    assert light == pytest.approx(mean * table["fraction"], rel=0.02, abs=0.5)
    assert ((share * truth)[label == 0]).sum() == pytest.approx(5.0 * truth.size, rel=0.01)
    visible = made.arrays["instances_visible"][0]
    area = np.bincount(visible.ravel(), minlength=len(mean) + 1)[1:]
    assert area.tolist() == table["visible_area"].tolist()
    assert table["visible_area"].max() > 20


def test_samples_do_not_depend_on_their_company() -> None:
    both = Inject()(sky(2), Stream(8))
    alone = sky(2)
    alone = Inject()(alone.keep(np.array([False, True])), Stream(8))
    for name in ("image", "truth", "overlap_label"):
        assert (alone.arrays[name][0] == both.arrays[name][1]).all()
    second = both.tables["objects"]["sample"] == 8
    assert (alone.tables["objects"]["x"] == both.tables["objects"]["x"][second]).all()
    assert not (both.arrays["truth"][0] == both.arrays["truth"][1]).all()


def test_a_lattice_keeps_its_objects_apart() -> None:
    rng, numbers = np.random.default_rng(1), []
    for _ in range(60):
        y, x = lattice(30.0, (120, 160), rng)
        assert y.min() >= -0.5 and y.max() < 119.5 and x.min() >= -0.5 and x.max() < 159.5
        apart = np.hypot(y[:, None] - y, x[:, None] - x) + 1e9 * np.eye(len(y))
        assert apart.min() > np.sqrt(2 / np.sqrt(3) * 120 * 160 / 30) - 1.5
        numbers.append(len(y))
    assert np.mean(numbers) == pytest.approx(30, abs=0.8)


def test_numbers_follow_the_density() -> None:
    for places in ("random", "grid"):
        rule = Inject(galaxies_per_arcmin2=fixed(40), stars_per_arcmin2=fixed(20), places=places)
        rule = replace(rule, magnitude=fixed(26.0), star_magnitude=fixed(26.0))
        table = rule(sky(8, side=128, margin=0), Stream(1)).tables["objects"]
        area = 8 * (128 * SCALE / 60) ** 2
        star = table["star"][table["inside"]]
        assert star.sum() == pytest.approx(20 * area, abs=4 * np.sqrt(20 * area))
        assert (~star).sum() == pytest.approx(40 * area, abs=4 * np.sqrt(40 * area))


def test_galaxies_of_a_magnitude_are_the_populations() -> None:
    """Size, redshift and colour at r = 23.9 to 24.1, against the population drawn and cut there."""
    bands, rng = ("lsst_g", "lsst_r"), np.random.default_rng(2)
    whole = hst_population().draw(rng, 400_000, 27.5, 19.0)
    flux = galaxy_fluxes(bands, whole.magnitude, whole.z, whole.spectrum)
    cut = np.abs(_magnitudes(flux, 1) - 24.0) < 0.1
    mine = _pool(bands, 1, 3).like(uniform(23.9, 24.1).draw(rng, 4000), rng)
    seen = galaxy_fluxes(bands, mine.magnitude, mine.z, mine.spectrum)
    assert cut.sum() > 1000
    for a, b in (
        (mine.r_e, whole.r_e[cut]),
        (mine.z, whole.z[cut]),
        (seen[:, 0] / seen[:, 1], flux[cut, 0] / flux[cut, 1]),
    ):
        assert np.median(a) == pytest.approx(np.median(b), rel=0.12)
        assert np.percentile(a, [16, 84]) == pytest.approx(np.percentile(b, [16, 84]), rel=0.25)


def test_a_scene_keeps_its_objects_and_the_injected_come_after() -> None:
    psf = Psf(moffat=Moffat(fwhm_arcsec=0.2, beta=2.5))
    scene = SceneTiles(
        bands=("F606W", "F814W"), pixel_scale_arcsec=0.1, tile=64, margin=16, faintest=25.0, psf=psf,
        brightest=20.0, noise=Noise(rms_njy=2.0, electrons_per_njy=3.0), isolated=2, density_factor=4.0,
        edge_mag_arcsec2=29.0, overlap=8,
    )  # fmt: skip
    empty = samples(2)
    before = scene(empty, Stream(1))
    assert before.attributes["electrons_per_njy"] == (3.0, 3.0)
    after = Inject(psf=psf, overlap=8, galaxies_per_arcmin2=fixed(200))(before, Stream(2))
    old, new = before.tables["objects"], after.tables["objects"]
    own = ~new["injected"]
    assert own.sum() == len(old["x"]) and (~own).sum() > 3
    for name, column in old.items():
        assert (new[name][own] == column).all(), name
    for k in range(2):
        label = new["label"][new["sample"] == k]
        assert label.tolist() == list(range(1, len(label) + 1))
    assert after.arrays["isolated"].sum(axis=1) == pytest.approx(after.arrays["truth"], abs=0.05)
    trimmed, first = after.trimmed().arrays, before.trimmed().arrays
    for k in range(2):
        none = np.zeros((64, 64), dtype=np.int32)
        mine = new["sample"] == k
        lit = []
        for a, n in ((first, (old["sample"] == k).sum()), (trimmed, mine.sum())):
            label, share = a["overlap_label"][k], a["overlap_fraction"][k]
            lit.append(light_shared(none, a["truth"][k].mean(axis=0), label, share, 0, n)[0])
        bright = lit[0] > 50.0
        assert bright.any()
        assert lit[1][: len(bright)][bright] == pytest.approx(lit[0][bright], rel=0.03)
        assert (trimmed["multiplicity"][k] >= first["multiplicity"][k]).all()


def test_masks_of_the_noiseless_image_are_kept_as_labels() -> None:
    """Objects that a stage before separated: theirs are the light and the first labels."""
    before = sky(1, side=64)
    masks = np.zeros((1, 96, 96), dtype=np.int32)
    masks[0, 30:40, 50:60] = 1
    truth = before.arrays["truth"] + np.where(masks[:, None] > 0, 50.0, 0.0).astype(np.float32)
    own = {
        "sample": np.array([7]), "label": np.array([1], dtype=np.int32), "x": np.array([38.5]),
        "y": np.array([18.5]), "inside": np.array([True]), "fraction": np.array([1.0]),
        "true_flux_g": np.array([5000.0]), "mine": np.array(["a"]),
    }  # fmt: skip
    before = before.with_arrays(truth=truth, instances_truth=masks).with_table("objects", own)
    after = Inject(galaxies_per_arcmin2=fixed(20))(before, Stream(3))
    table, label, share = (
        after.tables["objects"], after.arrays["overlap_label"][0], after.arrays["overlap_fraction"][0],
    )  # fmt: skip
    assert table["label"][0] == 1 and not table["injected"][0] and table["injected"][1:].all()
    assert table["mine"].tolist() == ["a"] + [""] * (len(table["label"]) - 1)
    assert np.isnan(table["true_flux_r"][0]) and table["true_flux_g"][0] == 5000.0
    light = light_shared(masks[0] * 0, after.arrays["truth"][0].mean(0), label, share, 0, len(table["label"]))
    assert light[0, 0] == pytest.approx(5000.0, rel=1e-3)


def test_bright_ones_are_detected_faint_ones_missed_and_the_card_says_so() -> None:
    rule = Inject(
        places="grid", galaxies_per_arcmin2=fixed(0), stars_per_arcmin2=fixed(40),
        star_magnitude=uniform(20.0, 27.0),
    )  # fmt: skip
    made = Detect(background_mesh=64)(rule(sky(8, side=128, rms=10.0), Stream(1)), Stream(1))
    done = Match(radius_arcsec=0.6)(made, Stream(1))
    table = done.tables["objects"]
    inside = table["inside"] & (table["fraction"] > 0.5)
    bright, faint = inside & (table["magnitude"] < 22.5), inside & (table["magnitude"] > 25.0)
    assert bright.sum() > 5 and faint.sum() > 5
    assert table["detected"][bright].mean() > 0.9
    assert table["missed"][faint].mean() > 0.9
    text = section(done.tables, done.attributes["bands"], 31.4)
    assert "injected objects" in text and "| 20.0 to 20.5 |" in text


def test_real_galaxies_are_injected_with_the_drawn_magnitude(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MOCKFORGE_CACHE", str(tmp_path / "cache"))
    path = write_real(tmp_path, [0.3, 0.5, 0.7])
    rule = Inject(
        real=RealStamps(catalogue=str(path), nearest=2, faintest=26.0), magnitude=fixed(21.0),
        galaxies_per_arcmin2=fixed(60), stars_per_arcmin2=fixed(2), star_magnitude=fixed(21.0),
    )  # fmt: skip
    made = rule(sky(1), Stream(1))
    table, truth = made.tables["objects"], made.trimmed().arrays["truth"][0]
    assert set(table["real_stamp"][~table["star"]].tolist()) <= {"0", "1", "2"}
    assert (table["real_stamp"][table["star"]] == "").all() and (table["n"] == 0).all()
    flux = np.mean([table[f"true_flux_{b}"] for b in ("g", "r", "Z")], axis=0)
    assert 31.4 - 2.5 * np.log10(flux) == pytest.approx([21.0] * len(flux), abs=1e-9)
    assert truth.mean(axis=0).sum() == pytest.approx((flux * table["fraction"]).sum(), rel=0.02)
    theirs = np.sum([drawn(table, i, 128, 16) for i in range(len(flux))], axis=0)[:, 16:-16, 16:-16]
    assert np.abs(truth - theirs).sum() < 0.03 * theirs.sum()  # the stamps are exponentials
    assert rule.fingerprint().keys() >= {"hst_population"} and len(rule.fingerprint()) > 1


@pytest.mark.parametrize(
    ("rule", "attributes", "words"),
    [
        ({}, {"psf_fwhm_arcsec": None}, "the PSF is not known"),
        ({}, {"unit": "native"}, "need nJy"),
        ({}, {"pixel_scale_arcsec": None}, "pixel scale is not known"),
        ({}, {"bands": None}, "names the bands"),
        ({}, {"bands": ("g", "r", "W")}, "'W' has no curve.*name one"),
        ({}, {"bands": ("g", "Z", "z")}, "each needs one of its own"),
        ({"curves": {"i": "lsst_i"}}, {}, "no band 'i' in the images"),
        ({"band": "i"}, {}, "band 'i': the images have g, r, Z"),
    ],
)
def test_what_is_lacking_is_named(rule: dict, attributes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Inject(**rule)(sky(1, **attributes), Stream(1))


def test_seeing_and_gain_of_each_sample_are_its_own() -> None:
    """In the table `tile`, as a sky whose seeing and depth are drawn for every sample says them."""
    rule = Inject(galaxies_per_arcmin2=fixed(0), stars_per_arcmin2=fixed(30), star_magnitude=fixed(20.0))
    both = sky(2, psf_fwhm_arcsec=None)
    tile = {"sample": both.sample}
    for band, fwhm in zip(("g", "r", "Z"), FWHM, strict=True):
        tile |= {f"fwhm_{band}": np.array([fwhm, 2 * fwhm])}
        tile |= {f"electrons_per_njy_{band}": np.array([0.0, 4.0])}
    made = rule(both.with_table("tile", tile), Stream(1))
    alike = rule(sky(2), Stream(1))
    assert (made.arrays["truth"][0] == alike.arrays["truth"][0]).all()
    assert made.arrays["truth"][1].max() < 0.5 * alike.arrays["truth"][1].max()
    noise = made.arrays["image"] - made.arrays["truth"]
    assert (noise[0] == 0).all() and noise[1].std() > 0


def test_a_truth_on_another_grid_is_refused() -> None:
    batch = sky(1)
    finer = batch.with_arrays(truth=np.zeros((1, 3, 256, 256), dtype=np.float32))
    with pytest.raises(InputError, match="should have one grid"):
        Inject()(finer, Stream(1))


def test_no_objects_at_all_leave_the_sky_as_it_is() -> None:
    before = sky(rms=5.0)
    after = Inject(galaxies_per_arcmin2=fixed(0), stars_per_arcmin2=fixed(0))(before, Stream(1))
    assert (after.arrays["image"] == before.arrays["image"]).all()
    assert len(after.tables["objects"]["label"]) == 0
